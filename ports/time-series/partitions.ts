/**
 * Partitions of `telemetry`: one per day (UTC) around today, and `telemetry_history` for every other time.
 * Each step is one transaction that takes the parent's lock first, so that it cannot deadlock with a writer.
 */
import type { ClientBase, Pool } from "pg";
import { copyColumns } from "./copy-rows.ts";
import { dayMs, keptDays, partitionDay, partitionName } from "./retention-days.ts";
import { inTransaction } from "./sink-offsets.ts";

/**
 * The key is also the index of every query, so it holds the value. `value` is 0 or 1 for booleans, which have
 * `value_bool` too; strings have only `value_text`. Bytewise collation: order of names means nothing here.
 */
export const telemetrySchema = `
  create table if not exists telemetry (
    ts timestamptz not null,
    received_at timestamptz not null,
    log_offset bigint not null,
    value double precision,
    value_bool boolean,
    device_id text collate "C" not null,
    metric text collate "C" not null,
    value_text text,
    tags jsonb,
    primary key (device_id, metric, ts, log_offset) include (value)
  ) partition by range (ts);
  create table if not exists telemetry_history partition of telemetry default;
  create index if not exists telemetry_history_times on telemetry_history using brin (received_at, ts);
`;

/** Makes missing partitions, drops what is past; gives the dropped partitions' names. */
export async function maintainPartitions(pool: Pool, nowMs: number, keepMs: number): Promise<string[]> {
  const { wanted, isPast, cutoffMs } = keptDays(nowMs, keepMs);
  const present = await partitions(pool);
  const missing = wanted.filter((day) => !present.includes(day));
  if (missing.length > 0) await exclusively(pool, (client) => addDays(client, missing));
  const past = present.filter(isPast);
  for (const day of past) await exclusively(pool, (client) => dropDay(client, day, cutoffMs));
  await trimHistory(pool, cutoffMs);
  return past.map(partitionName);
}

async function partitions(client: Pool | ClientBase): Promise<number[]> {
  const { rows } = await client.query<{ relname: string }>(
    `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'telemetry'::regclass order by c.relname`,
  );
  return rows.map((row) => partitionDay(row.relname)).filter((day) => day !== null);
}

function exclusively(pool: Pool, work: (client: ClientBase) => Promise<void>): Promise<void> {
  return inTransaction(pool, async (client) => {
    // Whoever waits for this lock makes all others wait: rather fail, and try again at the next maintenance.
    await client.query("set local lock_timeout = '10s'");
    await client.query("lock table telemetry in access exclusive mode");
    await work(client);
  });
}

/** A day's rows that already went to history move along: PostgreSQL refuses the partition otherwise. */
async function addDays(client: ClientBase, days: readonly number[]): Promise<void> {
  const made = await partitions(client);
  for (const day of days.filter((candidate) => !made.includes(candidate))) {
    const name = partitionName(day);
    const [from, to] = bounds(day);
    await client.query(`
      create table ${name} (like telemetry including defaults);
      with moved as (delete from telemetry_history where ts >= ${from} and ts < ${to} returning ${copyColumns})
        insert into ${name} (${copyColumns}) select ${copyColumns} from moved;
      alter table telemetry attach partition ${name} for values from (${from}) to (${to});
    `);
  }
}

/** Readings of the day that arrived late are still owed their time (S3): they become history. */
async function dropDay(client: ClientBase, day: number, cutoffMs: number): Promise<void> {
  const name = partitionName(day);
  if (!(await partitions(client)).includes(day)) return;
  await client.query(`alter table telemetry detach partition ${name}`);
  await client.query(
    `insert into telemetry (${copyColumns}) select ${copyColumns} from ${name} where received_at >= $1`,
    [new Date(cutoffMs)],
  );
  await client.query(`drop table ${name}`);
}

async function trimHistory(pool: Pool, cutoffMs: number): Promise<void> {
  const cutoff = new Date(cutoffMs);
  await pool.query(
    "delete from telemetry_history where received_at < $1 and ts < date_trunc('day', $2::timestamptz, 'UTC')",
    [cutoff, cutoff],
  );
}

function bounds(day: number): [string, string] {
  return [`'${new Date(day).toISOString()}'`, `'${new Date(day + dayMs).toISOString()}'`];
}
