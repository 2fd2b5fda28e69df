import { gapsOf, type Trace, type TracePoint } from "./trace.ts";

/**
 * A trace as a chart draws it: columns of equal length, times in seconds, rising. Readings have one line; buckets have
 * also `low` and `high`, the edges of their band. null breaks the line where there is a gap. A bucket is drawn in its
 * middle: that is where its average belongs.
 */
export type Columns = {
  times: number[];
  middle: (number | null)[];
  band: { low: (number | null)[]; high: (number | null)[] } | null;
};

export function columnsOf(trace: Trace): Columns {
  const { points, bucketMs } = trace;
  const columns: Columns = { times: [], middle: [], band: bucketMs > 0 ? { low: [], high: [] } : null };
  const breaks = gapsOf(trace);
  let next = 0;
  for (const point of points) {
    const gap = breaks[next];
    if (gap && point.tsMs >= gap.toMs) {
      push(columns, (gap.fromMs + gap.toMs) / 2 / 1000, null);
      next += 1;
    }
    push(columns, drawnAtMs(point, bucketMs) / 1000, point);
  }
  return columns;
}

/** Where on the time axis a point is drawn, epoch ms. */
export function drawnAtMs(point: TracePoint, bucketMs: number): number {
  return point.tsMs + bucketMs / 2;
}

/**
 * The point to tell about at a moment: the bucket that holds it, or of readings the nearest, not farther than
 * `withinMs`. null: there is none, as in a gap.
 */
export function pointAt(trace: Trace, atMs: number, withinMs: number): TracePoint | null {
  const { points, bucketMs } = trace;
  let low = 0;
  let high = points.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((points[mid]?.tsMs ?? 0) <= atMs) low = mid + 1;
    else high = mid;
  }
  const [before, after] = [points[low - 1] ?? null, points[low] ?? null];
  if (bucketMs > 0 && before && atMs < before.tsMs + bucketMs) return before;
  const near = [before, after].filter((point) => point !== null);
  const distance = (point: TracePoint) => Math.abs(drawnAtMs(point, bucketMs) - atMs);
  const nearest = near.sort((a, b) => distance(a) - distance(b))[0];
  return nearest && distance(nearest) <= withinMs ? nearest : null;
}

function push(columns: Columns, time: number, point: TracePoint | null): void {
  columns.times.push(time);
  columns.middle.push(point?.middle ?? null);
  columns.band?.low.push(point?.low ?? null);
  columns.band?.high.push(point?.high ?? null);
}
