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

/** `ReadingColumns` (columns.ts) cost least; an array is as good. */
export type SomeRows = Iterable<SeriesRow> & { readonly length: number };

export type ArchivedRange = {
  readonly device: string;
  readonly metric: string;
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
};

/**
 * All readings for years, as Parquet: what the time series no longer has, and what analysts read.
 *
 * A1 `write` stores its rows and the consumer's progress together: whatever is delivered twice and wherever a process
 *    dies, each row is in exactly one listed file, and no half file is ever listed. `from` other than the stored progress
 *    throws `StaleProgress`.
 * A2 What `readings` gives does not change while files are compacted.
 * A3 A `write` that began and did not end leaves an open intent: until a `write` of exactly its range has gone through,
 *    every other one of its partition throws `StaleProgress`. So files never hold a row under two names.
 */
export interface Archive {
  /** In a partition ("" for the embedded log); null: it has never been there. */
  progressIn(partition: string): Promise<number | null>;
  /** The range that the next `write` in the partition has to have; null: any that begins at the progress. */
  openIntent(partition: string): Promise<{ readonly from: number; readonly to: number } | null>;
  /** `rows`: all of the range, none of them outside of it. Gives the files that are listed for them. */
  write(rows: SomeRows, progress: Progress): Promise<readonly ArchivedFile[]>;
  /**
   * Rows that are there already (by device, metric, tsMs and offset) stay as they are: for what comes again outside of a
   * consumer's order (replay). Only for offsets that `write` has passed.
   */
  writeAgain(rows: readonly SeriesRow[]): Promise<{ readonly added: number }>;
  /** Readings of a metric of a device, in batches, days ascending, within a day by (tsMs, offset). */
  readings(range: ArchivedRange): AsyncIterable<readonly SeriesReading[]>;
  /** Names of the device's metrics in the archive, sorted. */
  metrics(device: string): Promise<string[]>;
  /** Of the days that the range touches, by day and key. */
  files(range: { readonly fromMs: number; readonly toMs: number }): Promise<readonly ArchivedFile[]>;
  /** Merges the small files of days, and deletes what was merged long enough ago that nobody reads it any more. */
  compact(nowMs: number): Promise<{ readonly merged: number; readonly deleted: number }>;
  /** Takes days that ended before `beforeMs` off the list; `compact` deletes their files later. Gives how many files. */
  expire(beforeMs: number, nowMs: number): Promise<number>;
  /** Writes the list of files beside them, if it has changed: with it the archive can be read without us. */
  writeManifest(): Promise<void>;
  close(): Promise<void>;
}

/** The place holds the archive of another database: two lists of files over one place would lose files. */
export class ArchiveTaken extends Error {
  override readonly name = "ArchiveTaken";
  readonly code = "ARCHIVE_TAKEN";
  readonly retry = "never";
}
