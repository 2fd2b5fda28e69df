import type { Pool, PoolClient } from "pg";

/**
 * Does the work on a connection of its own. One that broke meanwhile, or of which the work says so by `broke`, does not go
 * back to the pool. Rejects with what the work rejects with.
 */
export async function withConnection<T>(
  pool: Pool,
  work: (client: PoolClient, broke: (error: Error) => void) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // The pool listens only while a connection is idle, and Node ends a process that nobody listens for. The query
  // under way rejects with the same error.
  const broke = (error: Error) => {
    broken = error;
  };
  client.on("error", broke);
  try {
    return await work(client, broke);
  } finally {
    client.off("error", broke);
    client.release(broken);
  }
}
