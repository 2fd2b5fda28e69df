/** Fewer points that look the same. Pure. */
import { mergedBuckets } from "./merge.ts";
import type { StatsBucket } from "./stats.ts";

/**
 * Largest triangle three buckets (Steinarsson, 2013): the points that shape the line. The first and the last are kept, and
 * at most `atMost` of them come back, in their order; all, if they are no more. `atMost` below 3 gives the ends.
 */
export function lttb<Point>(
  points: readonly Point[],
  atMost: number,
  x: (point: Point) => number,
  y: (point: Point) => number,
): Point[] {
  if (points.length <= atMost) return [...points];
  if (atMost < 3) return atMost < 2 ? points.slice(-1) : [points[0]!, points.at(-1)!];
  const kept = [points[0]!];
  const size = (points.length - 2) / (atMost - 2);
  for (let bucket = 0; bucket < atMost - 2; bucket += 1) {
    const from = 1 + Math.floor(bucket * size);
    const to = 1 + Math.floor((bucket + 1) * size);
    const next = points.slice(to, Math.min(points.length, Math.max(to + 1, 1 + Math.floor((bucket + 2) * size))));
    const nextX = mean(next, x);
    const nextY = mean(next, y);
    const last = kept.at(-1)!;
    let best = points[from]!;
    let largest = -1;
    for (let place = from; place < to; place += 1) {
      const point = points[place]!;
      const area = Math.abs((x(last) - nextX) * (y(point) - y(last)) - (x(last) - x(point)) * (nextY - y(last)));
      if (area > largest) [best, largest] = [point, area];
    }
    kept.push(best);
  }
  kept.push(points.at(-1)!);
  return kept;
}

function mean<Point>(points: readonly Point[], of: (point: Point) => number): number {
  return points.reduce((sum, point) => sum + of(point) / points.length, 0);
}

/**
 * At most `atMost` buckets, each with the least, the largest and the average of its time: nothing that sticks out is lost,
 * counts stay what they are, and a time without readings stays empty where it is as wide as a bucket.
 */
export function minMaxAverage(buckets: readonly StatsBucket[], atMost: number): StatsBucket[] {
  if (buckets.length <= atMost) return [...buckets];
  const firstMs = buckets[0]!.tsMs;
  const widthMs = Math.floor((buckets.at(-1)!.tsMs - firstMs) / atMost) + 1;
  return mergedBuckets([buckets], (tsMs) => firstMs + Math.floor((tsMs - firstMs) / widthMs) * widthMs);
}
