/**
 * The time series as arrays: for tests and for the smallest of set-ups. Nothing outlives the process. Every reading goes
 * into its aggregates once, when its hour is settled, so they have all that was ever written (S4).
 */
import { type BucketGrid, bucketStart } from "../../core/history/buckets.ts";
import { type Resolution, resolutionMs } from "../../core/history/coverage.ts";
import { merged, type SeriesStats, type StatsBucket, statsOf } from "../../core/history/stats.ts";
import { aggregatesPastBefore, rawBorders, settledBefore } from "./aggregation-times.ts";
import { windowStart } from "./late-rows.ts";
import {
  type Progress,
  RowsRefused,
  type SeriesRange,
  type SeriesRow,
  StaleProgress,
  type TimeSeries,
} from "./port.ts";
import { keptDays, startOfDay } from "./retention-days.ts";
import { checkLimits, refusalOf } from "./row-limits.ts";

type Aggregates = Map<string, StatsBucket & { readonly device: string; readonly metric: string }>;

const never = Number.NEGATIVE_INFINITY;

/** @param typeOf the type of a device now, where retention goes by it */
export function memoryTimeSeries(typeOf: (device: string) => string = () => "default"): TimeSeries {
  const stored = memoryProgress();
  let rows: SeriesRow[] = [];
  /** Readings that no aggregate has yet. */
  let waiting: SeriesRow[] = [];
  const aggregates: Record<Resolution, Aggregates> = { minute: new Map(), hour: new Map() };
  const versions = new Map<string, number>();
  const expired = new Map<string, number>();
  const aggregatesFromMs: Record<Resolution, number> = { minute: never, hour: never };
  let aggregatedToMs = never;
  let mergeBeforeMs = never;
  let rawFromMs = never;

  function add(added: readonly SeriesRow[]): void {
    rows = rows.concat(added);
    const late = added.filter((row) => row.tsMs < aggregatedToMs);
    for (const device of new Set(late.map((row) => row.device))) versions.set(device, (versions.get(device) ?? 0) + 1);
    const numbers = added.filter((row) => typeof row.value !== "string");
    aggregate(numbers.filter((row) => row.tsMs < mergeBeforeMs));
    waiting = waiting.concat(numbers.filter((row) => row.tsMs >= mergeBeforeMs));
  }

  function aggregate(readings: readonly SeriesRow[]): number {
    let written = 0;
    for (const { device, metric, tsMs: atMs, value, flags } of readings) {
      for (const resolution of ["minute", "hour"] as const) {
        const tsMs = windowStart(atMs, resolution);
        if (tsMs < aggregatesFromMs[resolution]) continue;
        const key = `${device}\0${metric}\0${tsMs}`;
        const found = aggregates[resolution].get(key);
        const stats = statsOf(Number(value), flags !== null);
        aggregates[resolution].set(key, {
          ...(found === undefined ? stats : merged(found, stats)),
          ...{ device, metric, tsMs },
        });
        written += 1;
      }
    }
    return written;
  }

  function refresh(toMs: number): number {
    aggregatedToMs = Math.max(aggregatedToMs, toMs);
    const settled = waiting.filter((row) => row.tsMs < aggregatedToMs);
    waiting = waiting.filter((row) => row.tsMs >= aggregatedToMs);
    return aggregate(settled);
  }

  const isIn =
    ({ device, metric, fromMs, toMs }: SeriesRange) =>
    (row: { readonly device: string; readonly metric: string; readonly tsMs: number }) =>
      row.device === device && row.metric === metric && row.tsMs >= fromMs && row.tsMs < toMs;
  const found = (range: SeriesRange) => rows.filter(isIn(range)).sort((a, b) => a.tsMs - b.tsMs || a.offset - b.offset);

  return {
    progress: async () => stored.in("") ?? 0,
    progressIn: async (partition) => stored.in(partition),
    async write(added, progress) {
      checkLimits(added, (reason) => new RowsRefused(reason));
      stored.move(progress);
      const known = new Set(rows.map(keyOf));
      add(added.filter((row) => !known.has(keyOf(row))));
    },
    async refusals(asked) {
      const reasons = asked.map((row) => [row, refusalOf(row)] as const);
      return new Map(reasons.flatMap(([row, reason]) => (reason === null ? [] : [[row, reason]])));
    },
    async writeAgain(again) {
      const known = new Set(rows.map(keyOf));
      const added = [...new Map(again.map((row) => [keyOf(row), row]))]
        .filter(([key, row]) => !known.has(key) && row.tsMs >= mergeBeforeMs)
        .map(([, row]) => row);
      add(added);
      return { added: added.length };
    },
    async coverage(range, signal) {
      signal?.throwIfAborted();
      const late = waiting.filter((row) => row.tsMs < aggregatedToMs);
      const hours = late.filter(
        isIn({ ...range, fromMs: windowStart(range.fromMs, "hour"), toMs: lastOf(range.toMs, "hour") }),
      );
      return {
        rawFromMs: Math.max(rawFromMs, expired.get(range.device) ?? never),
        aggregatedToMs,
        aggregatesFromMs: { ...aggregatesFromMs },
        dirtyHours: [...new Set(hours.map((row) => windowStart(row.tsMs, "hour")))].sort((a, b) => a - b),
        version: versions.get(range.device) ?? 0,
      };
    },
    async readings(range, atMost, signal) {
      signal?.throwIfAborted();
      const newest = atMost === 0 ? [] : found(range).slice(-atMost);
      return newest.map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags }));
    },
    async count(range, atMost, signal) {
      signal?.throwIfAborted();
      return Math.min(atMost, found(range).length);
    },
    async buckets(range, grid, signal) {
      signal?.throwIfAborted();
      const numbers = found(range).filter((row) => typeof row.value !== "string");
      return inBuckets(
        numbers.map((row) => ({ ...statsOf(Number(row.value), row.flags !== null), tsMs: row.tsMs })),
        grid,
      );
    },
    async aggregated(range, resolution, grid, signal) {
      signal?.throwIfAborted();
      const parts = [...aggregates[resolution].values()].filter(isIn(range)).sort((a, b) => a.tsMs - b.tsMs);
      return inBuckets(parts, grid);
    },
    async extent(device, metric, signal) {
      signal?.throwIfAborted();
      const range = isIn({ device, metric, fromMs: never, toMs: Number.POSITIVE_INFINITY });
      const kept = [rows, [...aggregates.minute.values()], [...aggregates.hour.values()]].flatMap((some) =>
        some.filter(range).map(({ tsMs }) => tsMs),
      );
      return kept.length === 0 ? null : { firstMs: Math.min(...kept), lastMs: Math.max(...kept) };
    },
    async metrics(device, signal) {
      signal?.throwIfAborted();
      const kept = [...rows, ...aggregates.hour.values()].filter((row) => row.device === device);
      return [...new Set(kept.map((row) => row.metric))].sort();
    },
    refresh: async (nowMs) => refresh(settledBefore(nowMs)),
    async maintain(nowMs, retention) {
      const longestMs = Math.max(retention.keepMs, ...retention.keepMsOf.values());
      const borders = rawBorders(nowMs, retention);
      const { nameOf } = keptDays(nowMs, longestMs);
      const keepOf = (device: string) => retention.keepMsOf.get(typeOf(device)) ?? retention.keepMs;
      const isPast = (row: SeriesRow, keepMs: number) =>
        row.tsMs < startOfDay(nowMs - keepMs) && row.receivedAtMs < nowMs - keepMs;
      const dropped = rows.filter((row) => isPast(row, keepOf(row.device)) || isPast(row, longestMs));
      if (dropped.length > 0) {
        mergeBeforeMs = Math.max(mergeBeforeMs, borders.shortestMs);
        refresh(mergeBeforeMs);
        if (dropped.some((row) => isPast(row, longestMs))) rawFromMs = Math.max(rawFromMs, borders.allMs);
        for (const { device } of dropped)
          expired.set(device, Math.max(expired.get(device) ?? never, startOfDay(nowMs - keepOf(device))));
        rows = rows.filter((row) => !dropped.includes(row));
      }
      for (const resolution of ["minute", "hour"] as const) {
        const past = aggregatesPastBefore(nowMs, retention.keepAggregatesMs[resolution]);
        aggregatesFromMs[resolution] = Math.max(aggregatesFromMs[resolution], past);
        for (const [key, { tsMs }] of aggregates[resolution]) if (tsMs < past) aggregates[resolution].delete(key);
      }
      return [...new Set(dropped.filter((row) => isPast(row, longestMs)).map((row) => nameOf(row.tsMs)))].sort();
    },
  };
}

/** Where a consumer stands, by partition; the embedded log is "". */
export function memoryProgress() {
  const stored = new Map([["", 0]]);
  return {
    in: (partition: string) => stored.get(partition) ?? null,
    move({ from, to, partition = "" }: Progress): void {
      const at = stored.get(partition) ?? from;
      if (from !== at) throw new StaleProgress(`progress is ${at}, not ${from}; go on from there`);
      stored.set(partition, to);
    },
  };
}

function keyOf({ device, metric, tsMs, offset }: SeriesRow): string {
  return `${device}\0${metric}\0${tsMs}\0${offset}`;
}

function lastOf(toMs: number, resolution: Resolution): number {
  return Math.ceil(toMs / resolutionMs[resolution]) * resolutionMs[resolution];
}

function inBuckets(parts: readonly StatsBucket[], grid: BucketGrid): StatsBucket[] {
  const gathered = new Map<number, StatsBucket[]>();
  for (const part of parts) {
    const start = bucketStart(part.tsMs, grid);
    const found = gathered.get(start);
    if (found === undefined) gathered.set(start, [part]);
    else found.push(part);
  }
  return [...gathered].map(([tsMs, some]) => ({ ...some.reduce<SeriesStats>(merged, none), tsMs }));
}

const none: SeriesStats = {
  ...{ count: 0, mean: 0, m2: 0, flagged: 0 },
  ...{ min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY },
};
