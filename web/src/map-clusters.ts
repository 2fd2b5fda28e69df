import type { MapView } from "./map-view.ts";

/** A device placed on the drawing, at scale 1. */
export type Placed = { id: string; x: number; y: number; online: boolean };

/** Devices that are drawn as one, at a point of the frame. `id` names the device where it is a single one. */
export type Cluster = { x: number; y: number; count: number; online: number; radius: number; id: string | null };

/** Devices closer than about this are drawn as one, px of the frame. */
const cellPx = 15;
const largestRadius = 14;

/**
 * Devices that would be drawn over each other, taken together: which colour is on top would otherwise decide what one
 * sees. Cells are fixed to the map, so that moving it does not regroup them; a small cell whose centre lies on a larger
 * neighbour joins it.
 */
export function clusters(placed: Placed[], view: MapView): Cluster[] {
  const cells = new Map<string, Cell>();
  for (const { id, x, y, online } of placed) {
    const column = Math.floor((x * view.scale) / cellPx);
    const row = Math.floor((y * view.scale) / cellPx);
    const cell = cells.get(`${column}/${row}`);
    const one = { column, row, x, y, count: 1, online: online ? 1 : 0, id };
    if (cell === undefined) cells.set(`${column}/${row}`, one);
    else join(cell, one);
  }
  for (const cell of [...cells.values()].sort((a, b) => a.count - b.count)) {
    const larger = neighbours(cells, cell).find(
      (other) => other.count >= cell.count && covers(other, cell, view.scale),
    );
    if (larger === undefined) continue;
    join(larger, cell);
    cells.delete(`${cell.column}/${cell.row}`);
  }
  return [...cells.values()]
    .map(({ x, y, count, online, id }) => ({
      x: (x / count) * view.scale + view.x,
      y: (y / count) * view.scale + view.y,
      count,
      online,
      radius: radiusOf(count),
      id: count === 1 ? id : null,
    }))
    .sort((a, b) => b.count - a.count); // small ones above large ones
}

/** `x` and `y` are sums over the devices, at scale 1. */
type Cell = { column: number; row: number; x: number; y: number; count: number; online: number; id: string };

function join(into: Cell, one: Cell): void {
  into.x += one.x;
  into.y += one.y;
  into.count += one.count;
  into.online += one.online;
}

function neighbours(cells: Map<string, Cell>, { column, row }: Cell): Cell[] {
  const around = [-1, 0, 1].flatMap((right) => [-1, 0, 1].map((down) => `${column + right}/${row + down}`));
  return around.flatMap((key) => {
    const cell = cells.get(key);
    return cell && (cell.column !== column || cell.row !== row) ? [cell] : [];
  });
}

function covers(large: Cell, small: Cell, scale: number): boolean {
  const distance = Math.hypot(
    large.x / large.count - small.x / small.count,
    large.y / large.count - small.y / small.count,
  );
  return distance * scale <= radiusOf(large.count);
}

/** The topmost cluster below a point of the frame. */
export function clusterAt(drawn: Cluster[], x: number, y: number): Cluster | null {
  const slackPx = 4;
  return drawn.findLast((one) => Math.hypot(one.x - x, one.y - y) <= one.radius + slackPx) ?? null;
}

/** Area grows with the number of devices, in so far as the map has room. */
function radiusOf(count: number): number {
  return Math.min(largestRadius, 2.4 + 0.85 * Math.sqrt(count));
}
