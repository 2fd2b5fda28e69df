/** Decides how fine the answer for one series is: readings where they are few enough, else intervals that fit. */
import { bucketGrid } from "../../core/history/buckets.ts";
import { type Coverage, resolutionMs } from "../../core/history/coverage.ts";
import { lttb, minMaxAverage } from "../../core/history/downsample.ts";
import { type IntervalSpec, intervalsOf, widthOf } from "../../core/history/intervals.ts";
import type { StatsBucket } from "../../core/history/stats.ts";
import type { Archive } from "../../ports/archive/port.ts";
import type { QueryCache } from "../../ports/query-cache/port.ts";
import type { SeriesRange, SeriesReading, TimeSeries } from "../../ports/time-series/port.ts";
import { type Extent, extentOf } from "./extent.ts";
import { keptBuckets, keyOf } from "./kept-buckets.ts";
import { checkIntervals, maxArchiveMs, maxChosenFrom, maxPoints, tooManyReadings } from "./limits.ts";
import type { HistoryQuery, HistorySeries } from "./query.ts";
import { type Sources, sourcesOf } from "./sources.ts";

/** One series of a query, and what is where at the moment. */
export type Asked = SeriesRange &
  Omit<HistoryQuery, "devices" | "metrics"> & { readonly coverage: Coverage; readonly signal: AbortSignal };

type WithoutName<Series> = Series extends unknown ? Omit<Series, "device" | "metric"> : never;
export type Answer = WithoutName<HistorySeries>;
type Parts = { series: TimeSeries; archive: Archive | null; sources: Sources; cache: QueryCache };
/** Looked up once, where it is needed. */
type Located = Asked & { readonly extent: () => Promise<Extent | null> };

export function openAnswering(parts: Parts): (asked: Asked) => Promise<Answer> {
  const { series, archive, sources, cache } = parts;

  async function answer(asked: Located): Promise<Answer> {
    const { interval, aggregate, downsample } = asked;
    if (interval !== null) return byInterval(asked, interval);
    if (aggregate !== null) return byFittingInterval(asked);
    if (downsample === "none") return readings(asked, await all(asked, asked.maxPoints, fewer));
    if (downsample === "lttb") return shaped(asked, await all(asked, maxChosenFrom, otherThanLttb));
    const few = await ifFew(asked);
    if (few !== null) return readings(asked, few);
    const found = await byFittingInterval(asked);
    if (found.kind === "raw" || found.buckets.length > 0) return found;
    return newest(asked, await all(asked, maxChosenFrom, shorterText));
  }

  /** The readings, if they are no more than fit, and little has to be read of the archive for it. */
  async function ifFew(asked: Located): Promise<readonly SeriesReading[] | null> {
    const { fromMs, coverage } = asked;
    const firstMs = fromMs < coverage.rawFromMs ? ((await asked.extent())?.firstMs ?? asked.toMs) : fromMs;
    const missingMs = Math.min(asked.toMs, coverage.rawFromMs) - firstMs;
    if (missingMs > 0 && (archive === null || missingMs > maxArchiveMs)) return null;
    if ((await series.count(rangeOf(asked), asked.maxPoints + 1, asked.signal)) > asked.maxPoints) return null;
    return upTo({ ...asked, fromMs: firstMs }, asked.maxPoints);
  }

  async function byFittingInterval(asked: Located): Promise<Answer> {
    const extent = await asked.extent();
    if (extent === null) return nothing;
    const { widthMs } = bucketGrid(extent.firstMs, extent.lastMs, asked.maxPoints);
    const spec = fittingSpec(Math.max(widthMs, leastWidth(extent, asked.coverage)));
    const found = await byInterval({ ...asked, downsample: "minmax" }, spec);
    if (asked.aggregate !== null || found.kind === "raw" || found.downsampling !== null) return found;
    const from = found.buckets.reduce((sum, { count }) => sum + count, 0);
    return { ...found, downsampling: { method: "minmax", from, to: found.buckets.length } };
  }

  /** Narrower intervals would need readings that are gone, or so many of the archive that it would take too long. */
  function leastWidth({ firstMs, lastMs }: Extent, coverage: Coverage): number {
    const missingMs = Math.min(lastMs, coverage.rawFromMs) - firstMs;
    if (missingMs <= 0 || (archive !== null && missingMs <= maxArchiveMs)) return 1;
    return firstMs >= coverage.aggregatesFromMs.minute ? resolutionMs.minute : resolutionMs.hour;
  }

  async function byInterval(asked: Located, spec: IntervalSpec): Promise<Answer> {
    const whole = { firstMs: asked.fromMs, lastMs: asked.toMs - 1 };
    const fits = spec.kind === "even" && (asked.toMs - asked.fromMs) / spec.widthMs <= maxPoints;
    const extent = fits ? whole : await asked.extent();
    const widthMs = spec.kind === "months" ? null : widthOf(spec);
    if (extent === null) return { ...nothing, widthMs };
    checkIntervals(spec, extent.firstMs, extent.lastMs);
    const { coverage, signal, timeZone } = asked;
    const range = { ...rangeOf(asked), fromMs: extent.firstMs, toMs: extent.lastMs + 1 };
    const intervals = intervalsOf(spec, timeZone, range.fromMs, range.toMs);
    const named = { spec, timeZone: spec.kind === "even" ? "UTC" : timeZone };
    const found = await keptBuckets({ sources, cache }, range, intervals, named, coverage, signal);
    const about = {
      kind: "intervals" as const,
      widthMs,
      sources: found.length === 0 ? [] : sourcesOf(sources.planOf(range, intervals, coverage)),
      flagged: found.reduce((sum, { flagged }) => sum + flagged, 0),
    };
    if (found.length <= asked.maxPoints) return { ...about, buckets: found, downsampling: null };
    if (asked.downsample === "none") throw tooManyReadings(asked.maxPoints, widerInterval);
    const method = asked.downsample === "lttb" ? "lttb" : "minmax";
    const buckets =
      method === "lttb" ? lttb(found, asked.maxPoints, timeOf, meanOf) : minMaxAverage(found, asked.maxPoints);
    return { ...about, buckets, downsampling: { method, from: found.length, to: buckets.length } };
  }

  function readings(asked: Asked, found: readonly SeriesReading[]): Answer {
    const fromMs = found[0]?.tsMs ?? asked.toMs;
    const used = sources.planOf({ ...rangeOf(asked), fromMs }, null, asked.coverage);
    return { kind: "raw", readings: found, sources: sourcesOf(used), flagged: flaggedOf(found), downsampling: null };
  }

  function shaped(asked: Asked, found: readonly SeriesReading[]): Answer {
    const numbers = found.filter(({ value }) => typeof value !== "string");
    if (found.length <= asked.maxPoints) return readings(asked, found);
    if (numbers.length === 0) return newest(asked, found);
    return fewerOf(asked, found, lttb(numbers, asked.maxPoints, timeOf, numberOf), "lttb");
  }

  function newest(asked: Asked, found: readonly SeriesReading[]): Answer {
    if (found.length <= asked.maxPoints) return readings(asked, found);
    return fewerOf(asked, found, found.slice(-asked.maxPoints), "newest");
  }

  function fewerOf(
    asked: Asked,
    found: readonly SeriesReading[],
    kept: SeriesReading[],
    method: "lttb" | "newest",
  ): Answer {
    const downsampling = { method, from: found.length, to: kept.length };
    return { ...readings(asked, found), kind: "raw", readings: kept, downsampling };
  }

  /** @throws Problem where there are more */
  async function all(asked: Asked, atMost: number, instead: string): Promise<readonly SeriesReading[]> {
    const found = await upTo(asked, atMost);
    if (found === null) throw tooManyReadings(atMost, instead);
    return found;
  }

  /** Null: there are more. What the archive has is slow to get: it is kept. */
  async function upTo(asked: Asked, atMost: number): Promise<readonly SeriesReading[] | null> {
    const { coverage } = asked;
    const range = rangeOf(asked);
    const archivedToMs = archive === null ? 0 : Math.min(range.toMs, coverage.rawFromMs, coverage.aggregatedToMs);
    if (archivedToMs <= range.fromMs) return gathered(asked, range, atMost);
    const older = { ...range, toMs: archivedToMs };
    const key = keyOf("readings", older, coverage, [atMost]);
    const kept = await cache.get(key);
    const first = kept === null ? await gathered(asked, older, atMost) : (JSON.parse(kept) as SeriesReading[]);
    if (first === null) return null;
    if (kept === null && first.length <= maxPoints) await cache.set(key, JSON.stringify(first));
    const rest = await gathered(asked, { ...range, fromMs: archivedToMs }, atMost - first.length);
    return rest === null ? null : first.concat(rest);
  }

  async function gathered({ coverage, signal }: Asked, range: SeriesRange, atMost: number) {
    signal.throwIfAborted();
    const segments = sources.planOf(range, null, coverage);
    if (segments.length === 1 && segments[0]!.source === "raw" && atMost <= maxPoints) {
      const some = await series.readings(range, atMost + 1, signal); // at once: each batch is a round trip, and a search for its end
      return some.length > atMost ? null : some;
    }
    const found: SeriesReading[] = [];
    for await (const batch of sources.readings(range, coverage, signal)) {
      if (found.length + batch.length > atMost) return null;
      for (const reading of batch) found.push(reading);
    }
    return found;
  }

  return (asked) => {
    let extent: Promise<Extent | null> | null = null;
    const located = () => {
      extent ??= extentOf(parts, asked, asked.coverage, asked.signal);
      return extent;
    };
    // To find it costs more than a grid that is wider than it had to be saves.
    const short = asked.toMs - asked.fromMs <= shortMs ? { firstMs: asked.fromMs, lastMs: asked.toMs - 1 } : null;
    return answer({ ...asked, extent: async () => short ?? located() });
  };
}

/** Ranges up to this are taken as they are. */
const shortMs = 8 * 86_400_000;

const nothing = { kind: "intervals", widthMs: null, buckets: [], sources: [], flagged: 0, downsampling: null } as const;

const fewer =
  "Ask for downsample=minmax, for an interval or a shorter range; or take them all with format=ndjson and no max_points.";
const otherThanLttb = "LTTB takes no more: ask for downsample=minmax, or for a shorter range.";
const shorterText = "They are text, of which there are no aggregates: ask for a shorter range.";
const widerInterval = "Ask for a wider interval, or without downsample=none.";

function rangeOf({ device, metric, fromMs, toMs }: SeriesRange): SeriesRange {
  return { device, metric, fromMs, toMs };
}

/** Whole days where they are no narrower: they begin at midnight of the time zone then. */
function fittingSpec(widthMs: number): IntervalSpec {
  const dayMs = 86_400_000;
  const days = widthMs / dayMs;
  return Number.isInteger(days) && days <= 364 ? { kind: "days", count: days } : { kind: "even", widthMs };
}

function flaggedOf(readings: readonly SeriesReading[]): number {
  return readings.filter(({ flags }) => flags !== null && flags.length > 0).length;
}

const timeOf = ({ tsMs }: { readonly tsMs: number }) => tsMs;
const meanOf = ({ mean }: StatsBucket) => mean;
const numberOf = ({ value }: SeriesReading) => Number(value);
