import { type GeoPermissibleObjects, geoEqualEarth, geoGraticule10, geoPath } from "d3-geo";
import type { MapPoint } from "./contract.ts";
import type { Frame, MapView } from "./map-view.ts";

/** A device placed on the drawing, at scale 1. */
export type Placed = { id: string; x: number; y: number; online: boolean };
export type MapColours = { land: string; coast: string; grid: string; online: string; offline: string };

/** Where people put devices: the poles are left out. */
const inhabited: GeoPermissibleObjects = {
  type: "MultiPoint",
  coordinates: [
    [-168, 0],
    [190, 0],
    [0, 79],
    [0, -56],
  ],
};

function projectionFor(frame: Frame) {
  return geoEqualEarth()
    .rotate([-11, 0])
    .fitExtent(
      [
        [4, 4],
        [frame.width - 4, frame.height - 4],
      ],
      inhabited,
    );
}

export function place(points: MapPoint[], frame: Frame): Placed[] {
  const project = projectionFor(frame);
  return points.flatMap(([id, latitude, longitude, status]) => {
    const at = project([longitude, latitude]);
    return at ? [{ id, x: at[0], y: at[1], online: status === "online" }] : [];
  });
}

/** The coastline and grid as paths at scale 1: computed once per frame, drawn at every view. */
export function worldPaths(land: GeoPermissibleObjects, frame: Frame): { land: Path2D; grid: Path2D } {
  const path = geoPath(projectionFor(frame));
  return { land: new Path2D(path(land) ?? ""), grid: new Path2D(path(geoGraticule10()) ?? "") };
}

export function drawMap(
  canvas: HTMLCanvasElement,
  frame: Frame,
  view: MapView,
  world: { land: Path2D; grid: Path2D } | null,
  placed: Placed[],
  colours: MapColours,
): void {
  const density = devicePixelRatio || 1;
  const [width, height] = [Math.round(frame.width * density), Math.round(frame.height * density)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  if (world) {
    const scale = view.scale * density;
    context.setTransform(scale, 0, 0, scale, view.x * density, view.y * density);
    context.lineWidth = 1 / view.scale;
    context.strokeStyle = colours.grid;
    context.stroke(world.grid);
    context.fillStyle = colours.land;
    context.fill(world.land);
    context.strokeStyle = colours.coast;
    context.lineWidth = 0.75 / view.scale;
    context.stroke(world.land);
  }
  context.setTransform(density, 0, 0, density, 0, 0);
  const crowded = placed.length > 3000 ? 1.25 : placed.length > 300 ? 2.2 : 3.4;
  const radius = Math.min(4.5, crowded * (frame.width < 500 ? 0.75 : 1) * view.scale ** 0.45);
  // Offline last: what needs a look is never hidden below what does not.
  for (const online of [true, false]) {
    context.fillStyle = online ? colours.online : colours.offline;
    context.beginPath();
    for (const device of placed) {
      if (device.online !== online) continue;
      const x = device.x * view.scale + view.x;
      const y = device.y * view.scale + view.y;
      if (x < -5 || y < -5 || x > frame.width + 5 || y > frame.height + 5) continue;
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 2 * Math.PI);
    }
    context.globalAlpha = online ? 0.7 : 0.9;
    context.fill();
    context.globalAlpha = 1;
  }
}

/** The device nearest to a point of the frame, if one is within `within` px. */
export function nearest(placed: Placed[], view: MapView, x: number, y: number, within: number): Placed | null {
  let best: Placed | null = null;
  let bestSquare = within * within;
  for (const device of placed) {
    const dx = device.x * view.scale + view.x - x;
    const dy = device.y * view.scale + view.y - y;
    const square = dx * dx + dy * dy;
    if (square > bestSquare) continue;
    best = device;
    bestSquare = square;
  }
  return best;
}
