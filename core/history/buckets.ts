/**
 * Buckets for a chart: widths that people read easily, aligned so that the same range asked again gives the same
 * buckets. Pure; the implementations of the time series and the queries use it.
 */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Widths in ms; each divides a day, so that all of them align to `bucketOrigin`. */
const niceWidths = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * second),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 2, 3, 6, 12].map((n) => n * hour),
  ...[1, 7, 14, 28, 91, 182, 364].map((n) => n * day),
  // Decades, centuries, … for clocks that are very wrong.
  ...[10, 100, 1_000, 10_000, 100_000, 1_000_000].map((n) => n * 364 * day),
];

/** Monday 1970-01-05T00:00:00Z: weeks begin on Mondays. */
export const bucketOriginMs = 4 * day;

export type BucketGrid = { readonly widthMs: number; readonly originMs: number };

/** The finest grid that covers first to last (both inclusive, epoch ms) with at most `maxBuckets` buckets. */
export function bucketGrid(firstMs: number, lastMs: number, maxBuckets: number): BucketGrid {
  for (const widthMs of niceWidths) {
    const covered = bucketIndex(lastMs, widthMs, bucketOriginMs) - bucketIndex(firstMs, widthMs, bucketOriginMs) + 1;
    if (covered <= maxBuckets) return { widthMs, originMs: bucketOriginMs };
  }
  // Only a range across the origin with a single bucket comes here.
  return { widthMs: lastMs - firstMs + 1, originMs: firstMs };
}

/** Start of the bucket that holds `atMs`. */
export function bucketStart(atMs: number, grid: BucketGrid): number {
  return grid.originMs + bucketIndex(atMs, grid.widthMs, grid.originMs) * grid.widthMs;
}

function bucketIndex(atMs: number, widthMs: number, originMs: number): number {
  return Math.floor((atMs - originMs) / widthMs);
}
