/** A look at the map: what of the drawing (`width` × `height` at scale 1) is in the frame. Scale 1 is the whole world. */
export type MapView = { scale: number; x: number; y: number };
export type Frame = { width: number; height: number };

export const wholeWorld: MapView = { scale: 1, x: 0, y: 0 };
export const largestScale = 64;

/** Nothing but the drawing is ever in the frame. */
export function clampView(view: MapView, frame: Frame): MapView {
  const scale = Math.min(largestScale, Math.max(1, view.scale));
  return {
    scale,
    x: Math.min(0, Math.max(frame.width * (1 - scale), view.x)),
    y: Math.min(0, Math.max(frame.height * (1 - scale), view.y)),
  };
}

/** Larger by `factor`, with the point (`atX`, `atY`) of the frame staying where it is. */
export function zoomed(view: MapView, factor: number, atX: number, atY: number, frame: Frame): MapView {
  const scale = Math.min(largestScale, Math.max(1, view.scale * factor));
  const by = scale / view.scale;
  return clampView({ scale, x: atX - (atX - view.x) * by, y: atY - (atY - view.y) * by }, frame);
}

/** The view that holds all `points` ([x, y] at scale 1) with some air around. */
export function fitted(points: readonly (readonly [number, number])[], frame: Frame): MapView {
  if (points.length === 0) return wholeWorld;
  let [left, top, right, bottom] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const air = 1.25;
  const scale = Math.min(
    largestScale / 4,
    frame.width / Math.max(1, (right - left) * air),
    frame.height / Math.max(1, (bottom - top) * air),
  );
  return clampView(
    { scale, x: frame.width / 2 - ((left + right) / 2) * scale, y: frame.height / 2 - ((top + bottom) / 2) * scale },
    frame,
  );
}
