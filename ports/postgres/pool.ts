/** A connection pool with our settings, for the embedded cluster and for any other PostgreSQL alike. */
import pg from "pg";
import { checkTlsParameters } from "./tls-parameters.ts";

export type PoolOptions = {
  /** Most connections at once. The embedded server takes 40 in all. */
  max?: number;
  /** Shown in pg_stat_activity, to tell our parts apart. */
  name?: string;
  /** Told when an idle connection breaks, e.g. because the server ended. The pool drops it and opens another when asked. */
  onIdleError?: (error: Error) => void;
};

/** @param url e.g. postgresql://user:password@host:5432/database; close with `pool.end()`. @throws TlsFileUnfit */
export function openPool(url: string, options: PoolOptions = {}): pg.Pool {
  checkTlsParameters(url);
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max ?? 10,
    application_name: options.name ?? "doppel",
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
  });
  // Without a listener, Node ends the process when the server closes an idle connection.
  pool.on("error", (error) => options.onIdleError?.(error));
  return pool;
}
