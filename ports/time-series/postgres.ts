/**
 * The time series in plain PostgreSQL (15 or newer), partitioned by day: see partitions.ts.
 * Rows come in by COPY, in the transaction that moves the sink's progress.
 */
import { finished } from "node:stream/promises";
import type { Pool } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { type BucketGrid, bucketGrid } from "../../core/history/buckets.ts";
import { clustered, copyColumns, copyStream } from "./copy-rows.ts";
import { maintainPartitions, telemetrySchema } from "./partitions.ts";
import type { Bucket, Progress, SeriesAnswer, SeriesQuery, SeriesRow, TimeSeries } from "./port.ts";
import { ensureSchema, inTransaction, moveProgress, readProgress } from "./sink-offsets.ts";
import { storableText } from "./storable-text.ts";

const consumer = "timeseries";

/** Makes its tables if they are missing. Call `maintain` before the first `write`, or all rows become history. */
export async function openPostgresTimeSeries(pool: Pool): Promise<TimeSeries> {
  await ensureSchema(pool, consumer, telemetrySchema);
  return {
    progress: async () => (await readProgress(pool, consumer)) ?? 0,
    progressIn: (partition) => readProgress(pool, consumer, partition),
    write: (rows, progress) => write(pool, rows, progress),
    query: (query) => answer(pool, query),
    metrics: (device) => metrics(pool, device),
    maintain: (nowMs, keepMs) => maintainPartitions(pool, nowMs, keepMs),
  };
}

function write(pool: Pool, rows: readonly SeriesRow[], progress: Progress): Promise<void> {
  return inTransaction(pool, async (client) => {
    // Rows and progress are lost together or not at all, and the log has them: no need to wait for the disk.
    await client.query("set local synchronous_commit = off");
    await moveProgress(client, consumer, progress);
    if (rows.length === 0) return;
    const copy = client.query(copyFrom(`copy telemetry (${copyColumns}) from stdin with (format binary)`));
    copy.end(copyStream(clustered(rows)));
    await finished(copy);
  });
}

const timestamp = (parameter: string) => `to_timestamp(${parameter}::double precision / 1000)`;
const range = `device_id = $1 and metric = $2 and ts >= ${timestamp("$3")} and ts < ${timestamp("$4")}`;
const epochMs = (time: string) => `round(date_part('epoch', ${time}) * 1000)`;

async function answer(pool: Pool, query: SeriesQuery): Promise<SeriesAnswer> {
  const { maxPoints } = query;
  const parameters = [storableText(query.device), storableText(query.metric), time(query.fromMs), time(query.toMs)];
  const { rows } = await pool.query(
    `select (select count(*) from (select from telemetry where ${range} limit $5) as upto)::integer as count,
       ${epochMs(`(select ts from telemetry where ${range} order by ts limit 1)`)} as first,
       ${epochMs(`(select ts from telemetry where ${range} order by ts desc limit 1)`)} as last`,
    [...parameters, maxPoints + 1],
  );
  const { count, first, last } = rows[0];
  if (count <= maxPoints) return raw(pool, parameters, maxPoints);
  // The grid fits the readings, not the range that was asked for: "everything" still shows their shape.
  const grid = bucketGrid(first, last, maxPoints);
  const points = await buckets(pool, parameters, grid);
  return points.length === 0 ? raw(pool, parameters, maxPoints) : { kind: "buckets", bucketMs: grid.widthMs, points };
}

/** The newest `maxPoints`, oldest first. */
async function raw(pool: Pool, parameters: readonly unknown[], maxPoints: number): Promise<SeriesAnswer> {
  const { rows } = await pool.query({
    text: `select ${epochMs("ts")}, value_bool, value_text, value from telemetry
      where ${range} order by ts desc, log_offset desc limit $5`,
    values: [...parameters, maxPoints],
    rowMode: "array",
  });
  const points = rows.map(([tsMs, bool, text, number]) => ({ tsMs, value: bool ?? text ?? number }));
  return { kind: "raw", points: points.reverse() };
}

/**
 * `offset 0` keeps PostgreSQL from guessing that nearly every reading has a bucket of its own: it would sort them all
 * on disk instead of counting into a small hash table.
 */
async function buckets(pool: Pool, parameters: readonly unknown[], grid: BucketGrid): Promise<Bucket[]> {
  const select = (average: string) => ({
    text: `select ${epochMs("bucket")}, count(*)::integer, ${average}, min(value), max(value) from (
        select date_bin($5 * interval '1 millisecond', ts, ${timestamp("$6")}) as bucket, value
        from telemetry where ${range} and value is not null offset 0) as readings
      group by bucket order by bucket`,
    values: [...parameters, grid.widthMs, time(grid.originMs)],
    rowMode: "array" as const,
  });
  try {
    return points(await pool.query(select("sum(value) / count(*)")));
  } catch (error) {
    if ((error as { code?: string }).code !== "22003") throw error;
    // The sum of very large readings is beyond a double: slower, but exact.
    return points(await pool.query(select("avg(value::numeric)::double precision")));
  }
}

function points({ rows }: { rows: number[][] }): Bucket[] {
  return rows.map(([tsMs, count, avg, min, max]) => ({
    tsMs: tsMs!,
    count: count!,
    avg: avg!,
    min: min!,
    max: max!,
  }));
}

/** Jumps from one metric's rows to the next one's in the key (a loose index scan), which PostgreSQL does not do itself. */
async function metrics(pool: Pool, device: string): Promise<string[]> {
  const { rows } = await pool.query<{ metric: string }>(
    `with recursive names as (
       (select metric from telemetry where device_id = $1 order by metric limit 1)
       union all
       select (select t.metric from telemetry t where t.device_id = $1 and t.metric > names.metric order by t.metric limit 1)
       from names where names.metric is not null)
     select metric from names where metric is not null`,
    [storableText(device)],
  );
  return rows.map((row) => row.metric);
}

/** Epoch ms within what PostgreSQL's calendar holds; nothing was measured before the year 1. */
function time(atMs: number): number {
  return Math.min(Math.max(atMs, -62_135_596_800_000), 8.64e15);
}
