/**
 * Reads what a plan says: readings and statistics of one metric of one device from time series and archive, put together
 * as if they were one. Holds a batch of readings at a time.
 */
import { bucketStart } from "../../core/history/buckets.ts";
import type { Coverage } from "../../core/history/coverage.ts";
import { fittingResolutions, type Intervals, intervalStart, nestedGrid } from "../../core/history/intervals.ts";
import { byTime, mergedBuckets, mergedReadings } from "../../core/history/merge.ts";
import { plan, type Segment, type Source } from "../../core/history/plan.ts";
import { type StatsBucket, statsOf } from "../../core/history/stats.ts";
import type { Archive } from "../../ports/archive/port.ts";
import type { SeriesRange, SeriesReading, TimeSeries } from "../../ports/time-series/port.ts";

/** Readings per request to the time series. */
const batchSize = 5_000;

export type Sources = {
  /** All readings of the range, oldest first by (tsMs, offset), each once. */
  readings(range: SeriesRange, coverage: Coverage, signal: AbortSignal): AsyncIterable<readonly SeriesReading[]>;
  /** Statistics by interval, oldest first; intervals without numbers are left out. */
  buckets(
    range: SeriesRange,
    intervals: Intervals,
    coverage: Coverage,
    signal: AbortSignal,
  ): Promise<readonly StatsBucket[]>;
  planOf(range: SeriesRange, intervals: Intervals | null, coverage: Coverage): Segment[];
};

export function openSources({ series, archive }: { series: TimeSeries; archive: Archive | null }): Sources {
  const planOf: Sources["planOf"] = ({ fromMs, toMs }, intervals, coverage) => {
    const fitting = intervals === null ? [] : fittingResolutions(intervals);
    return plan({ fromMs, toMs, fitting }, coverage, archive !== null);
  };

  async function* readings(range: SeriesRange, coverage: Coverage, signal: AbortSignal) {
    for (const segment of planOf(range, null, coverage)) yield* segmentReadings(range, segment, signal);
  }

  function segmentReadings(range: SeriesRange, { fromMs, toMs, source }: Segment, signal: AbortSignal) {
    const part = { device: range.device, metric: range.metric, fromMs, toMs };
    const own = storedReadings(series, part, signal);
    if (source !== "archive" || archive === null) return own;
    return mergedStreams(abortable(archive.readings(part), signal), own);
  }

  async function segmentBuckets(range: SeriesRange, segment: Segment, intervals: Intervals, signal: AbortSignal) {
    signal.throwIfAborted();
    const { fromMs, toMs, source } = segment;
    const part = { device: range.device, metric: range.metric, fromMs, toMs };
    const grid = nestedGrid(intervals);
    if (source === "raw") return series.buckets(part, grid, signal);
    if (source !== "archive") return series.aggregated(part, source, grid, signal);
    let found: readonly StatsBucket[] = [];
    for await (const batch of segmentReadings(range, segment, signal)) {
      found = mergedBuckets([found, statistics(batch)], (tsMs) => bucketStart(tsMs, grid));
    }
    return found;
  }

  return {
    planOf,
    readings,
    async buckets(range, intervals, coverage, signal) {
      const segments = planOf(range, intervals, coverage);
      const parts = await Promise.all(segments.map((segment) => segmentBuckets(range, segment, intervals, signal)));
      return mergedBuckets(parts, (tsMs) => intervalStart(tsMs, intervals));
    },
  };
}

export function sourcesOf(segments: readonly Segment[]): Source[] {
  return [...new Set(segments.map(({ source }) => source))];
}

/** One bucket a reading; strings have none. */
export function statistics(readings: readonly SeriesReading[]): StatsBucket[] {
  return readings.flatMap(({ tsMs, value, flags }) =>
    typeof value === "string" ? [] : [{ tsMs, ...statsOf(Number(value), flags !== null && flags.length > 0) }],
  );
}

/** The port gives the newest of a range: windows that hold no more than a batch make a stream of it, oldest first. */
async function* storedReadings(
  series: TimeSeries,
  range: SeriesRange,
  signal: AbortSignal,
): AsyncGenerator<readonly SeriesReading[]> {
  let atMs = range.fromMs;
  let widthMs = range.toMs - range.fromMs;
  while (atMs < range.toMs) {
    signal.throwIfAborted();
    const window = { ...range, fromMs: atMs, toMs: Math.min(range.toMs, atMs + widthMs) };
    const atOnce = window.toMs - atMs === 1;
    const found = await series.readings(window, atOnce ? Number.MAX_SAFE_INTEGER : batchSize + 1, signal);
    if (found.length > batchSize && !atOnce) {
      // As wide as what came of its newest end, and a little less: another round trip costs more.
      const halfMs = Math.floor((window.toMs - atMs) / 2);
      widthMs = Math.max(1, Math.min(Math.floor((window.toMs - found[0]!.tsMs) * 0.8), halfMs));
      continue;
    }
    if (found.length > 0) yield found;
    atMs = window.toMs;
    if (found.length < batchSize / 2) widthMs *= 2;
  }
}

async function* abortable<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  for await (const item of items) {
    signal.throwIfAborted();
    yield item;
  }
}

type Batches = AsyncIterable<readonly SeriesReading[]>;

/** Two ordered streams as one: what both have comes once. */
export async function* mergedStreams(first: Batches, second: Batches): AsyncGenerator<readonly SeriesReading[]> {
  const sides = [first, second].map((batches) => ({
    batches: batches[Symbol.asyncIterator](),
    held: [] as readonly SeriesReading[],
    ended: false,
  }));
  const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]];
  try {
    for (;;) {
      for (const side of sides) {
        while (side.held.length === 0 && !side.ended) {
          const { done, value } = await side.batches.next();
          if (done) side.ended = true;
          else side.held = value;
        }
      }
      if (a.held.length === 0 && b.held.length === 0) return;
      // Up to here no batch to come has anything of either side.
      const lasts = sides.flatMap((side) => side.held.slice(-1));
      const border = lasts.reduce((least, last) => (byTime(last, least) < 0 ? last : least));
      const [ofA, ofB] = [split(a.held, border), split(b.held, border)];
      yield mergedReadings(ofA[0], ofB[0]);
      a.held = ofA[1];
      b.held = ofB[1];
    }
  } finally {
    await Promise.all(sides.map((side) => side.batches.return?.()));
  }
}

function split(readings: readonly SeriesReading[], border: SeriesReading) {
  const end = readings.findIndex((reading) => byTime(reading, border) > 0);
  return end < 0 ? ([readings, []] as const) : ([readings.slice(0, end), readings.slice(end)] as const);
}
