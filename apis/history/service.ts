/**
 * The history of all devices as one: whoever asks need not know what is in the time series, in its aggregates or in the
 * archive. Which source answers what is planned in core/history.
 */
import type { Coverage } from "../../core/history/coverage.ts";
import { type IntervalSpec, intervalStart, intervalsOf, widthOf } from "../../core/history/intervals.ts";
import type { Archive } from "../../ports/archive/port.ts";
import type { FleetIndex } from "../../ports/fleet-index/port.ts";
import type { QueryCache } from "../../ports/query-cache/port.ts";
import type { SeriesRange, TimeSeries } from "../../ports/time-series/port.ts";
import { openAnswering } from "./answering.ts";
import { type Extent, extentOf } from "./extent.ts";
import { checkSize } from "./limits.ts";
import type { HistoryBatch, HistoryQuery, HistorySeries, StreamQuery } from "./query.ts";
import { openSlots } from "./slots.ts";
import { openSources } from "./sources.ts";

export interface History {
  /**
   * A series for each device and metric, in this order. Rejects with the signal's reason when it is aborted; what the
   * database was asked for it ends then, too.
   * @throws Problem "query-too-large"
   */
  query(query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]>;
  /** All readings, or with an interval all intervals, of one series after the other; holds a part of them at a time. */
  stream(query: StreamQuery, signal: AbortSignal): AsyncIterable<HistoryBatch>;
  /** Names of all metrics that are kept of the device, wherever; sorted. */
  metrics(device: string, signal?: AbortSignal): Promise<string[]>;
}

export type HistoryParts = {
  readonly series: TimeSeries;
  readonly archive: Archive | null;
  readonly fleet: Pick<FleetIndex, "device">;
  readonly cache: QueryCache;
  /** Series that are put together at a time, of all queries. */
  readonly atOnce?: number;
};

/** How often a series is read again because its oldest readings were dropped while it was read. */
const tries = 3;
/** Intervals of a stream per step. */
const intervalsPerStep = 5_000;
/** So much may be dropped while something is read: a stream, which may take long, reads it of the archive as well. */
const streamMarginMs = 86_400_000;

export function openHistory({ series, archive, fleet, cache, atOnce = 6 }: HistoryParts): History {
  const sources = openSources({ series, archive });
  const answer = openAnswering({ series, archive, sources, cache });
  const slots = openSlots(atOnce);
  const typeOf = async (device: string) => (await fleet.device(device))?.type ?? "default";

  /** Reads by what is where now, and again if readings that it counted on were dropped meanwhile. */
  async function covered<T>(
    range: SeriesRange & { type: string },
    signal: AbortSignal,
    read: (coverage: Coverage) => Promise<T>,
  ): Promise<T> {
    let coverage = await series.coverage(range, signal);
    for (let tried = 1; ; tried += 1) {
      const found = await read(coverage);
      const after = await series.coverage(range, signal);
      if (after.rawFromMs <= Math.max(coverage.rawFromMs, range.fromMs) || tried === tries) return found;
      coverage = after;
    }
  }

  return {
    async query(query, signal) {
      checkSize(query);
      const { devices, metrics, ...rest } = query;
      const types = await Promise.all(devices.map(typeOf));
      const wanted = devices.flatMap((device, place) =>
        metrics.map((metric) => ({ ...rest, device, metric, type: types[place]! })),
      );
      return Promise.all(
        wanted.map((one) =>
          slots(async () => {
            const found = await covered(one, signal, (coverage) => answer({ ...one, coverage, signal }));
            return { device: one.device, metric: one.metric, ...found };
          }, signal),
        ),
      );
    },

    async *stream({ devices, metrics, fromMs, toMs, interval, timeZone }, signal) {
      for (const device of devices) {
        const type = await typeOf(device);
        for (const metric of metrics) {
          const range = { device, metric, fromMs, toMs };
          const now = await series.coverage({ ...range, type }, signal);
          const coverage = { ...now, rawFromMs: now.rawFromMs + (archive === null ? 0 : streamMarginMs) };
          const extent = await extentOf({ series, archive }, range, coverage, signal);
          if (extent === null) continue;
          if (interval === null) {
            const within = { ...range, fromMs: extent.firstMs, toMs: extent.lastMs + 1 };
            for await (const readings of sources.readings(within, coverage, signal)) {
              yield { device, metric, kind: "raw", readings };
            }
            continue;
          }
          for (const part of stepsOf(range, extent, interval, timeZone)) {
            const intervals = intervalsOf(interval, timeZone, part.fromMs, part.toMs);
            const buckets = await sources.buckets(part, intervals, coverage, signal);
            yield { device, metric, kind: "intervals", buckets };
          }
        }
      }
    },

    async metrics(device, signal) {
      const [stored, archived] = await Promise.all([series.metrics(device, signal), archive?.metrics(device) ?? []]);
      return [...new Set([...stored, ...archived])].sort();
    },
  };
}

/** Parts of the range that has readings, each of whole intervals but for the ends. */
function* stepsOf(range: SeriesRange, extent: Extent, spec: IntervalSpec, timeZone: string): Generator<SeriesRange> {
  const [fromMs, toMs] = [extent.firstMs, extent.lastMs + 1];
  const stepMs = spec.kind === "even" ? intervalsPerStep * widthOf(spec) : toMs - fromMs;
  const intervals = intervalsOf(spec, timeZone, fromMs, toMs);
  for (let atMs = fromMs; atMs < toMs; ) {
    const endMs = atMs + stepMs >= toMs ? toMs : intervalStart(atMs + stepMs, intervals);
    yield { ...range, fromMs: atMs, toMs: endMs };
    atMs = endMs;
  }
}
