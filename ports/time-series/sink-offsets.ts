/**
 * Where each consumer of the log stands: `sink_offsets`, moved in the transaction that holds the consumer's effect.
 * That is what makes the effect exactly once.
 */
import type { ClientBase, Pool, PoolClient } from "pg";
import { type Progress, StaleProgress } from "./port.ts";

/** Creates what `ddl` says, once: openers that start together wait for each other. */
export async function ensureSchema(pool: Pool, consumer: string, ddl: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    // `create … if not exists` alone fails when two run it at the same time.
    await client.query("select pg_advisory_xact_lock(hashtextextended('doppel schema', 0))");
    await client.query(
      `create table if not exists sink_offsets (consumer text primary key, next_offset bigint not null)`,
    );
    await client.query(ddl);
    await client.query("insert into sink_offsets values ($1, 0) on conflict do nothing", [consumer]);
  });
}

export async function readProgress(client: Pool | ClientBase, consumer: string): Promise<number> {
  const { rows } = await client.query("select next_offset from sink_offsets where consumer = $1", [consumer]);
  return Number(rows[0]?.next_offset ?? 0);
}

/** Moves the progress; throws `StaleProgress` if it is not at `from`. A second mover waits for the first one's end. */
export async function moveProgress(client: ClientBase, consumer: string, { from, to }: Progress): Promise<void> {
  const { rowCount } = await client.query(
    "update sink_offsets set next_offset = $3 where consumer = $1 and next_offset = $2",
    [consumer, from, to],
  );
  if (rowCount === 1) return;
  const stored = await readProgress(client, consumer);
  throw new StaleProgress(`${consumer} stands at ${stored}, not at ${from}; go on from there`);
}

/** Runs `work` in a transaction on a connection of its own; whatever it throws rolls back. */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // The pool listens only while a connection is idle, and Node ends a process that nobody listens for. The query
  // under way rejects with the same error.
  const noteError = (error: Error) => {
    broken = error;
  };
  client.on("error", noteError);
  try {
    await client.query("begin");
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(noteError);
    throw error;
  } finally {
    client.off("error", noteError);
    // What could not even roll back does not go back to the pool.
    client.release(broken);
  }
}
