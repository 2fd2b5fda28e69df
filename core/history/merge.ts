/** Putting the answers of several sources together. Pure. */
import { merged, type StatsBucket } from "./stats.ts";

/** Buckets of several parts as one list, oldest first: those of the same time are added up (H1). */
export function mergedBuckets(
  parts: Iterable<readonly StatsBucket[]>,
  startOf: (tsMs: number) => number = (tsMs) => tsMs,
): StatsBucket[] {
  const found = new Map<number, StatsBucket>();
  for (const part of parts) {
    for (const bucket of part) {
      const tsMs = startOf(bucket.tsMs);
      const before = found.get(tsMs);
      found.set(tsMs, { ...(before === undefined ? bucket : merged(before, bucket)), tsMs });
    }
  }
  return [...found.values()].sort((a, b) => a.tsMs - b.tsMs);
}

type Placed = { readonly tsMs: number; readonly offset: number };

/** Order of the readings of one metric of one device. */
export function byTime(a: Placed, b: Placed): number {
  return a.tsMs - b.tsMs || a.offset - b.offset;
}

/** Two lists of readings, each in order, as one: what both have is there once. */
export function mergedReadings<Reading extends Placed>(a: readonly Reading[], b: readonly Reading[]): Reading[] {
  if (b.length === 0) return [...a];
  if (a.length === 0) return [...b];
  const all: Reading[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const order = i === a.length ? 1 : j === b.length ? -1 : byTime(a[i]!, b[j]!);
    all.push(order <= 0 ? a[i]! : b[j]!);
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
  }
  return all;
}
