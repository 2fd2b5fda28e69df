/**
 * Partitions by time: of `telemetry` one per day (UTC) around today, of its aggregates one per month; `…_history` has every
 * other time. Each step is one transaction that takes the parent's lock first, so that it cannot deadlock with a writer.
 */
import type { ClientBase, Pool } from "pg";
import { startOfMonth } from "./aggregation-times.ts";
import { copyColumns } from "./copy-rows.ts";
import { dayMs, partitionDay } from "./retention-days.ts";
import { aggregateNames } from "./schema.ts";
import { inTransaction } from "./sink-offsets.ts";
import { time, timestamp } from "./state.ts";

export type Partitioned = {
  readonly table: string;
  readonly column: string;
  readonly columns: string;
  /** Start of the span after the one that begins then. */
  readonly next: (startMs: number) => number;
};

export const byDay: Partitioned = {
  ...{ table: "telemetry", column: "ts", columns: copyColumns },
  next: (startMs) => startMs + dayMs,
};
export const byMonth = (table: string): Partitioned => ({
  ...{ table, column: "window_start", columns: aggregateNames },
  next: (startMs) => startOfMonth(startMs, 1),
});

/** Starts of the days that have a partition, in order. */
export async function daysWithPartition(client: Pool | ClientBase): Promise<number[]> {
  return startsOf(client, byDay);
}

/** Starts of the spans that have a partition, in order; named by their day: `telemetry_20251121`. */
export async function startsOf(client: Pool | ClientBase, { table }: Partitioned): Promise<number[]> {
  const { rows } = await client.query<{ relname: string }>(
    `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = '${table}'::regclass order by c.relname`,
  );
  return rows.map(({ relname }) => partitionDay(relname, table)).filter((start) => start !== null);
}

export function partitionOf({ table }: Partitioned, startMs: number): string {
  return `${table}_${new Date(startMs).toISOString().slice(0, 10).replaceAll("-", "")}`;
}

/** Rows of a span that already went to history move along: PostgreSQL refuses the partition otherwise. */
export async function addPartitions(pool: Pool, parent: Partitioned, starts: readonly number[]): Promise<void> {
  const present = await startsOf(pool, parent);
  if (starts.every((start) => present.includes(start))) return;
  const { table, column, columns } = parent;
  await exclusively(pool, parent, async (client) => {
    const made = await startsOf(client, parent);
    for (const start of starts.filter((candidate) => !made.includes(candidate))) {
      const name = partitionOf(parent, start);
      const [from, to] = [start, parent.next(start)].map((ms) => `'${new Date(ms).toISOString()}'`);
      await client.query(`
        create table ${name} (like ${table} including defaults);
        with moved as (delete from ${table}_history where ${column} >= ${from} and ${column} < ${to} returning ${columns})
          insert into ${name} (${columns}) select ${columns} from moved;
        alter table ${table} attach partition ${name} for values from (${from}) to (${to});
      `);
    }
  });
}

/** What `keep` (a condition) says is still owed its time goes to history. False: another process was quicker. */
export async function dropPartition(pool: Pool, parent: Partitioned, start: number, keep?: string): Promise<boolean> {
  const { table, columns } = parent;
  return exclusively(pool, parent, async (client) => {
    if (!(await startsOf(client, parent)).includes(start)) return false;
    const name = partitionOf(parent, start);
    await client.query(`alter table ${table} detach partition ${name}`);
    if (keep !== undefined)
      await client.query(`insert into ${table} (${columns}) select ${columns} from ${name} where ${keep}`);
    await client.query(`drop table ${name}`);
    return true;
  });
}

/** Rows of the table in one statement. */
const atOnce = 20_000;

/** Deletes what the condition says, in bounded pieces. */
export async function trim(pool: Pool, table: string, condition: string, values: readonly unknown[]): Promise<number> {
  for (let trimmed = 0; ; ) {
    const { rowCount } = await pool.query(
      `delete from ${table} where ctid = any(array(select ctid from ${table} where ${condition} limit ${atOnce}))`,
      [...values],
    );
    trimmed += rowCount ?? 0;
    if ((rowCount ?? 0) < atOnce) return trimmed;
  }
}

/** Makes the months that aggregates will need, and drops those before `pastMs`. */
export async function maintainMonths(pool: Pool, table: string, nowMs: number, pastMs: number): Promise<string[]> {
  const parent = byMonth(table);
  const months = [startOfMonth(nowMs - 7 * dayMs), startOfMonth(nowMs + 2 * dayMs)];
  await addPartitions(pool, parent, [...new Set(months)]);
  const dropped: string[] = [];
  for (const start of await startsOf(pool, parent))
    if (parent.next(start) <= pastMs && (await dropPartition(pool, parent, start)))
      dropped.push(partitionOf(parent, start));
  await trim(pool, `${table}_history`, `window_start < ${timestamp("$1")}`, [time(pastMs)]);
  return dropped;
}

/** Whether the table has such a row, looked for no further than the first. */
export async function hasRow(
  pool: Pool,
  table: string,
  condition: string,
  values: readonly unknown[],
): Promise<boolean> {
  const { rowCount } = await pool.query(`select from ${table} where ${condition} limit 1`, [...values]);
  return rowCount === 1;
}

function exclusively<T>(pool: Pool, { table }: Partitioned, work: (client: ClientBase) => Promise<T>): Promise<T> {
  return inTransaction(pool, async (client) => {
    // Whoever waits for this lock makes all others wait: rather fail, and try again at the next maintenance.
    await client.query("set local lock_timeout = '10s'");
    await client.query(`lock table ${table} in access exclusive mode`);
    return work(client);
  });
}

export const inMs = (atMs: number) => `to_timestamp(${time(atMs)}::double precision / 1000)`;
