/** Picks the implementation that the database can have. */
import type { Pool } from "pg";
import type { TimeSeries } from "./port.ts";
import { openPostgresTimeSeries } from "./postgres.ts";
import { openTimescaleTimeSeries } from "./timescale.ts";

export type TimeSeriesChoice = {
  /** "auto": TimescaleDB where the database offers it and nothing was kept without it yet. */
  readonly kind: "auto" | "postgres" | "timescale";
  /** Of TimescaleDB: days older than this are compressed. */
  readonly compressAfterMs?: number;
};

/** @throws TimescaleUnavailable if it was asked for and cannot be had */
export async function openTimeSeries(pool: Pool, { kind, ...options }: TimeSeriesChoice): Promise<TimeSeries> {
  if (kind === "postgres") return openPostgresTimeSeries(pool);
  const { rows } = await pool.query(
    `select exists (select from pg_available_extensions where name = 'timescaledb') as offered,
       exists (select from pg_class where oid = to_regclass('telemetry') and relkind = 'p') as partitioned`,
  );
  const [{ offered, partitioned }] = rows;
  if (offered && !partitioned) return openTimescaleTimeSeries(pool, options);
  if (kind === "auto") return openPostgresTimeSeries(pool);
  throw new TimescaleUnavailable(
    offered
      ? "The time series of this database is kept in plain PostgreSQL already. Use that, or replay the log or the archive into another database."
      : "TimescaleDB is asked for, but the database does not offer the extension timescaledb. Install it, or use plain PostgreSQL.",
  );
}

/** The database cannot be what it was asked to be: tell the person, end. */
export class TimescaleUnavailable extends Error {
  override readonly name = "TimescaleUnavailable";
  readonly code = "TIMESCALE_UNAVAILABLE";
  readonly retry = "never";
}
