/**
 * The time series in plain PostgreSQL (15 or newer): partitions.ts, refresh.ts, expire.ts, read-series.ts.
 * Rows come in by COPY, in the transaction that moves the sink's progress.
 */
import { finished } from "node:stream/promises";
import type { ClientBase, Pool } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { cancellable } from "../postgres/cancellable.ts";
import { settledBefore } from "./aggregation-times.ts";
import { clustered, copyColumns, copyStream } from "./copy-rows.ts";
import { type Expiry, expire } from "./expire.ts";
import { addPartitions, byDay, dropPartition, hasRow, inMs, maintainMonths, startsOf, trim } from "./partitions.ts";
import type { SeriesRow, TimeSeries } from "./port.ts";
import {
  type AggregateSources,
  countReadings,
  readAggregated,
  readBuckets,
  readCoverage,
  readExtent,
  readMetrics,
  readReadings,
} from "./read-series.ts";
import { refreshPlain } from "./refresh.ts";
import { keptDays, partitionName } from "./retention-days.ts";
import { plainSchema } from "./schema.ts";
import { ensureSchema, readProgress } from "./sink-offsets.ts";
import { time, timestamp } from "./state.ts";
import { type RowStore, refusedRows, writeRows, writeRowsAgain } from "./store-rows.ts";

const consumer = "timeseries";
const tables = { minute: "telemetry_minutes", hour: "telemetry_hours" } as const;
export const plainStore: RowStore = { load: copyRows, mergeInto: tables };

/** Makes its tables if they are missing. Call `maintain` before the first `write`, or all rows become history. */
export async function openPostgresTimeSeries(pool: Pool): Promise<TimeSeries> {
  await ensureSchema(pool, consumer, plainSchema);
  return {
    ...seriesOn(pool, plainStore, tables),
    refresh: (nowMs) => refreshPlain(pool, settledBefore(nowMs)),
    async maintain(nowMs, retention) {
      const longestMs = Math.max(retention.keepMs, ...retention.keepMsOf.values());
      await addPartitions(pool, byDay, keptDays(nowMs, longestMs).wanted);
      return expire(pool, expiryOf(pool), nowMs, retention);
    },
  };
}

/** What plain PostgreSQL and TimescaleDB do alike. */
export function seriesOn(
  pool: Pool,
  store: RowStore,
  sources: AggregateSources,
): Omit<TimeSeries, "refresh" | "maintain"> {
  return {
    progress: async () => (await readProgress(pool, consumer)) ?? 0,
    progressIn: (partition) => readProgress(pool, consumer, partition),
    write: (rows, progress) => writeRows(pool, store, rows, progress),
    writeAgain: (rows) => writeRowsAgain(pool, store, rows),
    refusals: (rows) => refusedRows(pool, store, rows),
    coverage: (range, signal) => readCoverage(cancellable(pool, signal), range),
    readings: (range, atMost, signal) => readReadings(cancellable(pool, signal), range, atMost),
    count: (range, atMost, signal) => countReadings(cancellable(pool, signal), range, atMost),
    buckets: (range, grid, signal) => readBuckets(cancellable(pool, signal), range, grid),
    aggregated: (range, resolution, grid, signal) =>
      readAggregated(cancellable(pool, signal), sources, range, resolution, grid),
    extent: (device, metric, signal) => readExtent(cancellable(pool, signal), sources, device, metric),
    metrics: (device, signal) => readMetrics(cancellable(pool, signal), sources, device),
  };
}

export async function copyRows(client: ClientBase, table: string, rows: readonly SeriesRow[]): Promise<void> {
  const copy = client.query(copyFrom(`copy ${table} (${copyColumns}) from stdin with (format binary)`));
  copy.end(copyStream(clustered(rows)));
  await finished(copy);
}

function expiryOf(pool: Pool): Expiry {
  const past = `received_at < ${timestamp("$1")} and ts < ${timestamp("$2")}`;
  return {
    refresh: (toMs) => refreshPlain(pool, toMs),
    async hasBefore(tsMs, arrivedMs) {
      const days = await startsOf(pool, byDay);
      if (days.some((day) => day < tsMs)) return true;
      return hasRow(pool, "telemetry_history", past, [time(arrivedMs), time(tsMs)]);
    },
    /** Readings of a day that arrived late are still owed their time (S3): they become history. */
    async dropRaw(tsMs, arrivedMs) {
      const dropped: string[] = [];
      for (const day of await startsOf(pool, byDay))
        if (day < tsMs && (await dropPartition(pool, byDay, day, `received_at >= ${inMs(arrivedMs)}`)))
          dropped.push(partitionName(day));
      await trim(pool, "telemetry_history", past, [time(arrivedMs), time(tsMs)]);
      return dropped;
    },
    async dropAggregates(nowMs, pastMs) {
      const minutes = await maintainMonths(pool, tables.minute, nowMs, pastMs.minute);
      return [...minutes, ...(await maintainMonths(pool, tables.hour, nowMs, pastMs.hour))];
    },
  };
}
