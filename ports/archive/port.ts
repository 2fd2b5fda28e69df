import type { Progress, SeriesReading, SeriesRow } from "../time-series/port.ts";

/** A Parquet file of readings of one day (UTC), as the catalogue knows it. */
export type ArchivedFile = {
  /** In the object store: "telemetry/year=2026/month=11/day=21/…parquet". */
  readonly key: string;
  /** Start of its day, epoch ms. */
  readonly dayMs: number;
  readonly rows: number;
  readonly bytes: number;
  readonly firstDevice: string;
  readonly lastDevice: string;
  readonly firstTsMs: number;
  readonly lastTsMs: number;
  /** Of the file's columns. */
  readonly schemaVersion: number;
};

/**
 * All readings for years, as Parquet: what the time series no longer has, and what analysts read.
 *
 * A1 `write` stores its rows and the consumer's progress together: whatever is delivered twice and wherever a process
 *    dies, each row is in exactly one listed file, and no half file is ever listed. `from` other than the stored progress
 *    throws `StaleProgress`.
 * A2 What `readings` gives does not change while files are compacted.
 */
export interface Archive {
  /** In a partition ("" for the embedded log); null: it has never been there. */
  progressIn(partition: string): Promise<number | null>;
  write(rows: readonly SeriesRow[], progress: Progress): Promise<readonly ArchivedFile[]>;
  /** Readings of a metric of a device in [fromMs, toMs), in batches, days ascending, within a day by (tsMs, offset). */
  readings(query: {
    readonly device: string;
    readonly metric: string;
    readonly fromMs: number;
    readonly toMs: number;
  }): AsyncIterable<readonly SeriesReading[]>;
  /** Names of the device's metrics in the archive, sorted. */
  metrics(device: string): Promise<string[]>;
  files(range: { readonly fromMs: number; readonly toMs: number }): Promise<readonly ArchivedFile[]>;
  /** Merges the small files of days, and deletes what was merged long enough ago that nobody reads it any more. */
  compact(nowMs: number): Promise<{ readonly merged: number; readonly deleted: number }>;
  close(): Promise<void>;
}
