/**
 * `telemetry_state` and the locks around it.
 *
 * B1 Writers hold the lock `writers` shared until their commit, and read the borders after they have it. Who moves a
 *    border that writers obey holds it alone: then no transaction is under way that has read the old one.
 * B2 Aggregates are written under the lock `refresh`: by one process at a time, transaction by transaction.
 */
import type { ClientBase, Pool } from "pg";
import type { AggregateBorders } from "./late-rows.ts";
import { earliestMs } from "./row-limits.ts";
import { inTransaction } from "./sink-offsets.ts";

export type SeriesState = AggregateBorders & {
  /** How far minutes are made inside an hour that is not complete yet. */
  readonly minutesToMs: number;
  readonly aggregatedToMs: number;
  readonly rawFromMs: number;
};

export const timestamp = (parameter: string) => `to_timestamp(${parameter}::double precision / 1000)`;
export const epochMs = (time: string) => `round(date_part('epoch', ${time}) * 1000)`;

/** Epoch ms within what PostgreSQL's calendar holds. */
export function time(atMs: number): number {
  return Math.min(Math.max(atMs, earliestMs), 8.64e15);
}

const lock = (name: string) => `hashtextextended('doppel telemetry ${name}', 0)`;
const borders = ["threshold", "minutes_to", "aggregated_to", "merge_before", "raw_from", "minutes_from", "hours_from"];
export const stateColumns = borders.map((name) => `${epochMs(name)} as ${name}`).join(", ");
const readState = `select ${stateColumns} from telemetry_state`;

/** B1. One trip: each statement has a snapshot of its own, so the borders are those after the lock. */
export async function enterAsWriter(client: ClientBase): Promise<SeriesState> {
  // Rows and progress are lost together or not at all, and the log has them: no need to wait for the disk.
  const results = (await client.query(
    `set local synchronous_commit = off; select pg_advisory_xact_lock_shared(${lock("writers")}); ${readState}`,
  )) as unknown as { rows: Record<string, number>[] }[];
  return stateOf(results.at(-1)!.rows[0]!);
}

/** Runs `move` while no writer is under way; gives what it gives. */
export function withoutWriters<T>(
  pool: Pool,
  move: (client: ClientBase, state: SeriesState) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, async (client) => {
    // Writers wait behind it: rather fail, and try again at the next refresh.
    await client.query("set local lock_timeout = '10s'");
    await client.query(`select pg_advisory_xact_lock(${lock("writers")})`);
    const { rows } = await client.query(readState);
    return move(client, stateOf(rows[0]));
  });
}

/** B2. Null: another process is at it. */
export function asRefresher<T>(
  pool: Pool,
  work: (client: ClientBase, state: SeriesState) => Promise<T>,
): Promise<T | null> {
  return inTransaction(pool, async (client) => {
    // A new day has no statistics yet, and PostgreSQL would rather read all of it than use BRIN.
    const results = (await client.query(
      `set local enable_seqscan = off; select pg_try_advisory_xact_lock(${lock("refresh")}) as mine; ${readState}`,
    )) as unknown as { rows: Record<string, never>[] }[];
    const [, locked, state] = results;
    if (!locked!.rows[0]!.mine) return null;
    return work(client, stateOf(state!.rows[0]!));
  });
}

export async function stateIn(client: Pool | ClientBase): Promise<SeriesState> {
  return stateOf((await client.query(readState)).rows[0]);
}

export function stateOf(row: Record<string, number>): SeriesState {
  return {
    thresholdMs: row.threshold!,
    minutesToMs: row.minutes_to!,
    aggregatedToMs: row.aggregated_to!,
    mergeBeforeMs: row.merge_before!,
    rawFromMs: row.raw_from!,
    aggregatesFromMs: { minute: row.minutes_from!, hour: row.hours_from! },
  };
}
