/**
 * Aggregates in plain PostgreSQL: minutes from readings, hours from minutes, late hours again (S4).
 *
 * A1 The threshold moves before the readings behind it are aggregated, while no writer is under way: each reading is seen
 *    by the aggregation, or its writer has left its hour in `telemetry_invalidations`, in the same transaction.
 * A2 Every transaction does a bounded piece and notes how far it came: whoever goes on, goes on from there.
 * A3 What is aggregated again is made wholly from the readings: run again, it changes nothing.
 */
import type { ClientBase, Pool } from "pg";
import { resolutionMs } from "../../core/history/coverage.ts";
import { daysWithPartition } from "./partitions.ts";
import { dayMs } from "./retention-days.ts";
import { aggregateNames } from "./schema.ts";
import { asRefresher, epochMs, type SeriesState, time, timestamp, withoutWriters } from "./state.ts";
import { outOfRange, quick, type Sums, safe } from "./sums.ts";

const { hour, minute } = resolutionMs;
/** A first piece of an hour; the rest comes at once where it was small. */
const pieceMs = 10 * minute;
const smallPiece = 20_000;
/** Late hours of a metric in one transaction. */
const invalidationsAtOnce = 1_000;
/** An empty history is skipped in steps of this, so that a long pause of the system costs little. */
const skipMs = dayMs;

/** Aggregates everything before `toMs`, a whole hour; gives how many aggregates it wrote. */
export async function refreshPlain(pool: Pool, toMs: number): Promise<number> {
  await moveThreshold(pool, toMs);
  let written = 0;
  for (const step of [materialise, renew]) {
    for (let count = 0; ; written += count) {
      const done = await safely(pool, step);
      if (done === null) break;
      count = done;
    }
  }
  return written;
}

/** A1 */
export async function moveThreshold(
  pool: Pool,
  toMs: number,
  begin: (client: ClientBase, toMs: number) => Promise<number> = firstTime,
): Promise<void> {
  const { rows } = await pool.query(`select ${epochMs("threshold")} as threshold from telemetry_state`);
  if (rows[0].threshold >= toMs) return;
  await withoutWriters(pool, async (client, state) => {
    if (state.thresholdMs >= toMs) return;
    if (state.thresholdMs === Number.NEGATIVE_INFINITY) {
      const fromMs = await begin(client, toMs);
      await client.query(`update telemetry_state set (minutes_to, aggregated_to) = (${from}, ${from})`, [fromMs]);
    }
    await client.query(`update telemetry_state set threshold = ${from}`, [toMs]);
  });
}
const from = timestamp("$1");

/** Where the pieces begin: at the first of the days. What history has before is a matter of single hours. */
async function firstTime(client: ClientBase, toMs: number): Promise<number> {
  const days = await daysWithPartition(client);
  const fromMs = Math.min(toMs, ...days);
  await client.query(
    `insert into telemetry_invalidations (device_id, metric, hour)
     select distinct device_id, metric, date_bin('1 hour', ts, 'epoch') from telemetry_history
     where ts < ${from} and value is not null`,
    [time(fromMs)],
  );
  return fromMs;
}

type Step = (client: ClientBase, state: SeriesState, sums: Sums) => Promise<number | null>;

/** A step in quick arithmetic; where that goes beyond a double, in one that cannot. Null: there is nothing to do. */
async function safely(pool: Pool, step: Step): Promise<number | null> {
  try {
    return await asRefresher(pool, (client, state) => step(client, state, quick));
  } catch (error) {
    if ((error as { code?: string }).code !== outOfRange) throw error;
    return asRefresher(pool, (client, state) => step(client, state, safe));
  }
}
/** The next piece of what has become settled (A2). */
async function materialise(client: ClientBase, state: SeriesState, sums: Sums): Promise<number | null> {
  const { minutesToMs: fromMs, thresholdMs } = state;
  if (fromMs >= thresholdMs) return null;
  const emptyTo = await emptyFrom(client, fromMs, thresholdMs);
  if (emptyTo > fromMs) return advance(client, emptyTo);
  const hourEnd = Math.floor(fromMs / hour) * hour + hour;
  let toMs = Math.min(hourEnd, fromMs + pieceMs);
  let written = await minutes(client, fromMs, toMs, sums);
  if (written < smallPiece && toMs < hourEnd) {
    written += await minutes(client, toMs, hourEnd, sums);
    toMs = hourEnd;
  }
  if (toMs === hourEnd) written += await hours(client, hourEnd - hour, hourEnd, sums);
  await advance(client, toMs);
  return written;
}

async function minutes(client: ClientBase, fromMs: number, toMs: number, sums: Sums): Promise<number> {
  const { rowCount } = await client.query(
    `insert into telemetry_minutes (${aggregateNames})
     select device_id, metric, date_bin('1 minute', ts, 'epoch') as start, ${sums.ofReadings}
     from telemetry where ${between("ts")} and value is not null group by device_id, metric, start ${overwrite}`,
    [fromMs, toMs],
  );
  return rowCount ?? 0;
}

async function hours(client: ClientBase, fromMs: number, toMs: number, sums: Sums): Promise<number> {
  const { rowCount } = await client.query(
    `insert into telemetry_hours (${aggregateNames})
     select device_id, metric, ${timestamp("$1")}, ${sums.ofMinutes ?? sums.ofReadings}
     from ${
       sums.ofMinutes === null
         ? `telemetry where ${between("ts")} and value is not null`
         : `telemetry_minutes where ${between("window_start")}`
     } group by device_id, metric ${overwrite}`,
    [fromMs, toMs],
  );
  return rowCount ?? 0;
}

const between = (column: string) => `${column} >= ${timestamp("$1")} and ${column} < ${timestamp("$2")}`;
const overwrite = `on conflict (device_id, metric, window_start) do update
  set (count, avg, min, max, stddev, flagged)
    = (excluded.count, excluded.avg, excluded.min, excluded.max, excluded.stddev, excluded.flagged)`;

async function advance(client: ClientBase, toMs: number): Promise<number> {
  await client.query(
    `update telemetry_state set minutes_to = ${timestamp("$1")},
     aggregated_to = greatest(aggregated_to, date_bin('1 hour', ${timestamp("$1")}, 'epoch'))`,
    [toMs],
  );
  return 0;
}

/** Until when there is surely nothing, if that is far; else `fromMs`. */
async function emptyFrom(client: ClientBase, fromMs: number, endMs: number): Promise<number> {
  if (endMs - fromMs <= hour) return fromMs;
  for (const step of [skipMs, hour]) {
    const toMs = Math.min(endMs, Math.floor(fromMs / step) * step + step);
    const { rowCount } = await client.query(`select from telemetry where ${between("ts")} limit 1`, [fromMs, toMs]);
    if (rowCount === 0) return toMs;
  }
  return fromMs;
}

/** Hours that late readings have come for. An invalidation that comes meanwhile stays for the next time. */
async function renew(client: ClientBase, _state: SeriesState, sums: Sums): Promise<number | null> {
  const { rows } = await client.query(
    `select id, device_id, metric, ${epochMs("hour")} as hour from telemetry_invalidations order by id limit $1`,
    [invalidationsAtOnce],
  );
  if (rows.length === 0) return null;
  const keys = new Map(rows.map((row) => [`${row.device_id}\0${row.metric}\0${row.hour}`, row]));
  const late = [...keys.values()];
  const values = [late.map((row) => row.device_id), late.map((row) => row.metric), late.map((row) => row.hour)];
  const ofEach = (table: string, column: string) => `from unnest($1::text[], $2::text[], $3::double precision[])
     as late(device, name, start_ms)
     cross join lateral (select * from ${table} where device_id = late.device and metric = late.name
       and ${column} >= ${timestamp("late.start_ms")}
       and ${column} < ${timestamp("late.start_ms")} + interval '1 hour' offset 0) as t`;
  const renewed = await client.query(
    `insert into telemetry_minutes (${aggregateNames})
     select device_id, metric, date_bin('1 minute', ts, 'epoch') as start, ${sums.ofReadings}
     ${ofEach("telemetry", "ts")} where value is not null group by device_id, metric, start ${overwrite}`,
    values,
  );
  const hoursFrom =
    sums.ofMinutes === null
      ? `${ofEach("telemetry", "ts")} where value is not null`
      : ofEach("telemetry_minutes", "window_start");
  const renewedHours = await client.query(
    `insert into telemetry_hours (${aggregateNames})
     select device_id, metric, ${timestamp("late.start_ms")} as start, ${sums.ofMinutes ?? sums.ofReadings}
     ${hoursFrom} group by device_id, metric, start ${overwrite}`,
    values,
  );
  await client.query("delete from telemetry_invalidations where id = any($1::bigint[])", [rows.map((row) => row.id)]);
  return (renewed.rowCount ?? 0) + (renewedHours.rowCount ?? 0);
}
