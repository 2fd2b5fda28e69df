/**
 * Where each consumer stands in each log: `sink_offsets`, moved in the transaction that holds the consumer's effect.
 * That is what makes the effect exactly once. A partition is a row of its own, so that no partition waits for another.
 */
import { createHash } from "node:crypto";
import type { ClientBase, Pool, PoolClient } from "pg";
import { withConnection } from "../postgres/connection.ts";
import { type Progress, StaleProgress } from "./port.ts";

/** The log of the embedded mode, which has no partitions. */
const whole = "";

const offsetsSchema = `
  create table if not exists sink_offsets (consumer text primary key, next_offset bigint not null);
  alter table sink_offsets add column if not exists partition text not null default '${whole}';
  alter table sink_offsets drop constraint if exists sink_offsets_pkey;
  alter table sink_offsets add primary key (consumer, partition);
`;

/**
 * Creates what `ddl` says, once: openers that start together wait for each other. Where it has been run before, nothing
 * is: even `if not exists` takes locks that the sinks of another process would wait for.
 */
export async function ensureSchema(pool: Pool, consumer: string, ddl: string): Promise<void> {
  const statements = offsetsSchema + ddl;
  const digest = createHash("sha256").update(statements).digest("hex");
  await inTransaction(pool, async (client) => {
    // `create … if not exists` alone fails when two run it at the same time.
    await client.query("select pg_advisory_xact_lock(hashtextextended('doppel schema', 0))");
    await client.query("create table if not exists sink_schemas (consumer text primary key, digest text not null)");
    const { rowCount } = await client.query("select from sink_schemas where consumer = $1 and digest = $2", [
      ...[consumer, digest],
    ]);
    if (rowCount === 1) return;
    await client.query(statements);
    await client.query("insert into sink_offsets (consumer, next_offset) values ($1, 0) on conflict do nothing", [
      consumer,
    ]);
    await client.query(
      "insert into sink_schemas values ($1, $2) on conflict (consumer) do update set digest = excluded.digest",
      [consumer, digest],
    );
  });
}

/** Null: the consumer has never been there. */
export async function readProgress(
  client: Pool | ClientBase,
  consumer: string,
  partition = whole,
): Promise<number | null> {
  const { rows } = await client.query("select next_offset from sink_offsets where consumer = $1 and partition = $2", [
    consumer,
    partition,
  ]);
  return rows.length === 0 ? null : Number(rows[0].next_offset);
}

/** Moves the progress; throws `StaleProgress` if it is not at `from`. A second mover waits for the first one's end. */
export async function moveProgress(
  client: ClientBase,
  consumer: string,
  { from, to, partition = whole }: Progress,
): Promise<void> {
  const { rowCount } = await client.query(
    "update sink_offsets set next_offset = $4 where consumer = $1 and partition = $2 and next_offset = $3",
    [consumer, partition, from, to],
  );
  if (rowCount === 1) return;
  // Nobody was ever there, perhaps: of two who come first, the second waits here and finds the row.
  const begun = await client.query(
    "insert into sink_offsets (consumer, partition, next_offset) values ($1, $2, $3) on conflict do nothing",
    [...[consumer, partition, to]],
  );
  if (begun.rowCount === 1) return;
  const stored = await readProgress(client, consumer, partition);
  const place = partition === whole ? "" : ` in ${partition}`;
  throw new StaleProgress(`${consumer} stands at ${stored}${place}, not at ${from}; go on from there`);
}

/** Runs `work` in a transaction on a connection of its own; whatever it throws rolls back. */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return withConnection(pool, async (client, broke) => {
    try {
      await client.query("begin");
      const result = await work(client);
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(broke);
      throw error;
    }
  });
}

/** How often a transaction is tried that PostgreSQL ended because it and another waited for each other. */
const deadlockTries = 5;

/** As `inTransaction`, and again when it lost a deadlock (40P01): `work` must give the same each time. */
export async function inTransactionAgain<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await inTransaction(pool, work);
    } catch (error) {
      if ((error as { code?: string }).code !== "40P01" || tried === deadlockTries) throw error;
    }
  }
}
