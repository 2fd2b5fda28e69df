/** The time series in TimescaleDB: what differs from postgres.ts. */
import type { Pool } from "pg";
import { settledBefore } from "./aggregation-times.ts";
import { type Expiry, expire } from "./expire.ts";
import { hasRow, trim } from "./partitions.ts";
import type { TimeSeries } from "./port.ts";
import { copyRows, seriesOn } from "./postgres.ts";
import { dayMs, partitionName } from "./retention-days.ts";
import { ensureSchema, inTransaction } from "./sink-offsets.ts";
import { epochMs, stateIn, time, timestamp } from "./state.ts";
import type { RowStore } from "./store-rows.ts";
import { refreshTimescale } from "./timescale-refresh.ts";
import { timescaleSchema } from "./timescale-schema.ts";

export type TimescaleOptions = {
  /** Days older than this are compressed; 7 days. */
  readonly compressAfterMs?: number;
  /** How rows come in; by COPY. */
  readonly load?: RowStore["load"];
};

/** Makes its tables if they are missing, and the extension: it must be there to be made, and preloaded. */
export async function openTimescaleTimeSeries(
  pool: Pool,
  { compressAfterMs = 7 * dayMs, load = copyRows }: TimescaleOptions = {},
): Promise<TimeSeries> {
  await pool.query("create extension if not exists timescaledb");
  await ensureSchema(pool, "timeseries", timescaleSchema(compressAfterMs));
  const late = { minute: "telemetry_minutes_late", hour: "telemetry_hours_late" };
  const withLate = { minute: "telemetry_minutes_with_late", hour: "telemetry_hours_with_late" };
  const store: RowStore = {
    async load(client, table, rows) {
      await client.query(noLimit);
      await load(client, table, rows);
    },
    mergeInto: late,
  };
  return {
    ...seriesOn(pool, store, withLate),
    refresh: (nowMs) => refreshTimescale(pool, settledBefore(nowMs)),
    // Chunks make themselves.
    maintain: (nowMs, retention) => expire(pool, expiryOf(pool), nowMs, retention),
  };
}

/** Late rows open compressed ones around them; TimescaleDB refuses that beyond 100,000 in a transaction. */
const noLimit = "set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0";

type Chunk = { readonly from: number; readonly to: number };

async function chunksBefore(pool: Pool, tsMs: number): Promise<Chunk[]> {
  const { rows } = await pool.query(
    `select ${epochMs("range_start")} as from, ${epochMs("range_end")} as to from timescaledb_information.chunks
     where hypertable_name = 'telemetry' and range_end <= ${timestamp("$1")} order by range_start`,
    [time(tsMs)],
  );
  return rows;
}

function expiryOf(pool: Pool): Expiry {
  const inChunk = `ts >= ${timestamp("$1")} and ts < ${timestamp("$2")}`;
  return {
    refresh: (toMs) => refreshTimescale(pool, toMs),
    beforeDelete: noLimit,
    async hasBefore(tsMs, arrivedMs) {
      for (const { from, to } of await chunksBefore(pool, tsMs))
        if (await hasRow(pool, "telemetry", `${inChunk} and received_at < ${timestamp("$3")}`, [from, to, arrivedMs]))
          return true;
      return false;
    },
    /** A chunk with readings that arrived late stays for those (S3). */
    async dropRaw(tsMs, arrivedMs) {
      const dropped: string[] = [];
      for (const { from, to } of await chunksBefore(pool, tsMs)) {
        const values = [from, to, arrivedMs];
        if (await hasRow(pool, "telemetry", `${inChunk} and received_at >= ${timestamp("$3")}`, values)) {
          await inTransaction(pool, async (client) => {
            await client.query(noLimit);
            await client.query(`delete from telemetry where ${inChunk} and received_at < ${timestamp("$3")}`, values);
          });
          continue;
        }
        await pool.query(
          `select drop_chunks('telemetry', older_than => ${timestamp("$2")}, newer_than => ${timestamp("$1")})`,
          [from, to],
        );
        dropped.push(partitionName(from));
      }
      return dropped;
    },
    async dropAggregates(_nowMs, pastMs) {
      // Hours are made of minutes: those stay as long as their hour may be made again.
      const { mergeBeforeMs } = await stateIn(pool);
      await dropAggregates(pool, "telemetry_minutes", Math.min(pastMs.minute, mergeBeforeMs));
      await dropAggregates(pool, "telemetry_hours", pastMs.hour);
      return [];
    },
  };
}

async function dropAggregates(pool: Pool, name: string, pastMs: number): Promise<void> {
  if (pastMs === Number.NEGATIVE_INFINITY) return;
  await pool.query(`select drop_chunks('${name}', older_than => ${timestamp("$1")})`, [time(pastMs)]);
  await trim(pool, `${name}_late`, `window_start < ${timestamp("$1")}`, [time(pastMs)]);
}
