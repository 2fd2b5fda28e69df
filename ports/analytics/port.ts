import type { BucketGrid } from "../../core/history/buckets.ts";
import type { Resolution } from "../../core/history/coverage.ts";
import type { StatsBucket } from "../../core/history/stats.ts";
import type { Progress, SeriesRange, SeriesReading, SeriesRow } from "../time-series/port.ts";

/** How long readings and aggregates are kept after their arrival, ms; null: as long as there is room. */
export type AnalyticsRetention = {
  readonly keepMs: number | null;
  readonly keepAggregatesMs: Readonly<Record<Resolution, number | null>>;
};

/**
 * All readings in a column store for analysts, beside the time series that the dashboard asks.
 *
 * N1 A reading is there once, whatever is written again: it is named by device, metric, time and offset.
 * N2 Progress is stored after the rows and read back as it was stored last. A `from` that is not the stored progress
 *    throws `StaleProgress` and writes nothing. Two writers that both stand at `from` may both write: see N1.
 *    A partition that was never written to begins at any `from`.
 * N3 After `refresh`, aggregates are those of all numbers and booleans that were written below the stored progress, late
 *    ones and those that are no longer kept among them. It may run at any time, in several processes, and again.
 */
export interface Analytics {
  /** In a partition ("" for the embedded log); null: it has never been there. */
  progressIn(partition: string): Promise<number | null>;
  /** Throws `RowsRefused`, and moves no progress, when a row can never be stored. */
  write(rows: readonly SeriesRow[], progress: Progress): Promise<void>;
  /** Readings, oldest first by (tsMs, offset): the newest `atMost` of the range. */
  readings(range: SeriesRange, atMost: number): Promise<SeriesReading[]>;
  /** Statistics made from the readings, in the buckets of the grid; empty ones are left out; strings do not count. */
  buckets(range: SeriesRange, grid: BucketGrid): Promise<StatsBucket[]>;
  /** The same from aggregates: those that begin in the range, each in the bucket that holds its beginning. */
  aggregated(range: SeriesRange, resolution: Resolution, grid: BucketGrid): Promise<StatsBucket[]>;
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** It cannot be reached, or refuses: nothing of the call counts as done; try again later. */
export class AnalyticsAway extends Error {
  override readonly name = "AnalyticsAway";
  readonly code = "ANALYTICS_AWAY";
  readonly retry = "later";
}
