import { type GeoPermissibleObjects, geoEqualEarth, geoGraticule10, geoPath } from "d3-geo";
import type { MapPoint } from "./contract.ts";
import type { Cluster, Placed } from "./map-clusters.ts";
import type { Frame, MapView } from "./map-view.ts";

export type MapColours = { land: string; coast: string; grid: string; online: string; offline: string; rim: string };

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
  drawn: Cluster[],
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
  for (const cluster of drawn) drawCluster(context, frame, cluster, colours);
}

/** A disc; the share that is offline is a wedge of it. */
function drawCluster(context: CanvasRenderingContext2D, frame: Frame, cluster: Cluster, colours: MapColours): void {
  const { x, y, count, online, radius } = cluster;
  if (x < -radius || y < -radius || x > frame.width + radius || y > frame.height + radius) return;
  const start = -Math.PI / 2;
  const wedge = ((count - online) / count) * 2 * Math.PI;
  const disc = (from: number, to: number, colour: string) => {
    context.beginPath();
    if (to - from < 2 * Math.PI) context.moveTo(x, y);
    context.arc(x, y, radius, from, to);
    context.fillStyle = colour;
    context.fill();
  };
  context.globalAlpha = 0.88;
  if (online > 0) disc(start + wedge, start + 2 * Math.PI, colours.online);
  if (online < count) disc(start, start + wedge, colours.offline);
  context.globalAlpha = 1;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.strokeStyle = colours.rim;
  context.lineWidth = 1;
  context.stroke();
}
