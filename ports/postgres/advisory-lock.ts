import type pg from "pg";
import { withConnection } from "./connection.ts";

/**
 * Does the work while nobody else who names the same lock on this database does; gives whether it did. The lock ends with
 * the work, or with the connection that holds it. Rejects with what the work rejects with.
 */
export async function withAdvisoryLock(pool: pg.Pool, name: string, work: () => Promise<void>): Promise<boolean> {
  return withConnection(pool, async (client, broke) => {
    const { rows } = await client.query<{ locked: boolean }>(
      "select pg_try_advisory_lock(hashtextextended($1, 0)) as locked",
      [name],
    );
    if (rows[0]?.locked !== true) return false;
    try {
      await work();
      return true;
    } finally {
      await client.query("select pg_advisory_unlock(hashtextextended($1, 0))", [name]).catch(broke);
    }
  });
}
