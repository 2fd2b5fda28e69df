/**
 * Statistics by interval, of which those that are known already are not asked for again. Kept are whole intervals before
 * the time up to which everything is aggregated: the ragged ends and the newest are asked for each time and added.
 *
 * K1 A key holds `Coverage.version` and the borders: whatever changes what the kept intervals hold, late readings among
 *    them, changes the key.
 */
import type { Coverage } from "../../core/history/coverage.ts";
import { type IntervalSpec, type Intervals, intervalEnd, intervalStart } from "../../core/history/intervals.ts";
import { mergedBuckets } from "../../core/history/merge.ts";
import type { StatsBucket } from "../../core/history/stats.ts";
import type { QueryCache } from "../../ports/query-cache/port.ts";
import type { SeriesRange } from "../../ports/time-series/port.ts";
import type { Sources } from "./sources.ts";

export async function keptBuckets(
  { sources, cache }: { sources: Sources; cache: QueryCache },
  range: SeriesRange,
  intervals: Intervals,
  /** What, with the range, the intervals follow from. */
  named: { readonly spec: IntervalSpec; readonly timeZone: string },
  coverage: Coverage,
  signal: AbortSignal,
): Promise<readonly StatsBucket[]> {
  const { fromMs, toMs } = range;
  const startsThere = intervalStart(fromMs, intervals) === fromMs;
  const innerFrom = startsThere ? fromMs : intervalEnd(fromMs, intervals);
  const innerTo = intervalStart(Math.min(toMs, coverage.aggregatedToMs), intervals);
  if (innerFrom >= innerTo) return sources.buckets(range, intervals, coverage, signal);

  const inner = { ...range, fromMs: innerFrom, toMs: innerTo };
  const key = keyOf("intervals", inner, coverage, [named.spec, named.timeZone]);
  const ends = [
    { ...range, toMs: innerFrom },
    { ...range, fromMs: innerTo },
  ].filter((end) => end.fromMs < end.toMs);
  const [middle, ...others] = await Promise.all([
    (async () => {
      const kept = await cache.get(key);
      if (kept !== null) return decoded(kept);
      const found = await sources.buckets(inner, intervals, coverage, signal);
      await cache.set(key, encoded(found));
      return found;
    })(),
    ...ends.map((end) => sources.buckets(end, intervals, coverage, signal)),
  ]);
  return mergedBuckets([middle, ...others]);
}

/** K1 */
export function keyOf(what: string, range: SeriesRange, coverage: Coverage, more: readonly unknown[]): string {
  const { device, metric, fromMs, toMs } = range;
  const { version, rawFromMs, aggregatesFromMs } = coverage;
  // JSON has no infinity.
  const borders = [rawFromMs, aggregatesFromMs.minute, aggregatesFromMs.hour].map(String);
  return JSON.stringify([1, what, device, metric, fromMs, toMs, version, borders, ...more]);
}

function encoded(buckets: readonly StatsBucket[]): string {
  return JSON.stringify(buckets.map((b) => [b.tsMs, b.count, b.mean, b.m2, b.min, b.max, b.flagged]));
}

function decoded(text: string): StatsBucket[] {
  return (JSON.parse(text) as (number | null)[][]).map(([tsMs, count, mean, m2, min, max, flagged]) => ({
    ...{ tsMs: tsMs!, count: count!, mean: mean!, min: min!, max: max!, flagged: flagged! },
    // The squares of the largest numbers are beyond a double, which JSON writes as null.
    m2: m2 ?? Number.POSITIVE_INFINITY,
  }));
}
