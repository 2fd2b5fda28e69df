import type { BucketGrid } from "../../core/history/buckets.ts";
import type { Coverage, Resolution } from "../../core/history/coverage.ts";
import type { StatsBucket } from "../../core/history/stats.ts";

/** One reading on its way to the time series. */
export type SeriesRow = {
  readonly device: string;
  readonly tsMs: number;
  readonly metric: string;
  readonly value: number | boolean | string;
  readonly tags: Readonly<Record<string, string>> | null;
  readonly receivedAtMs: number;
  /** Offset of the record in its log: with device and metric it names the row (a device's telemetry is in one log). */
  readonly offset: number;
  /** Quality rules that have flagged it, those of its message among them; null: none. */
  readonly flags: readonly string[] | null;
  /** Device type and region at the time: "default" and "" where nothing else was known. */
  readonly type: string;
  readonly region: string;
};

/** One reading as it comes back; (tsMs, offset) names it among those of its device and metric. */
export type SeriesReading = {
  readonly tsMs: number;
  readonly offset: number;
  readonly value: number | boolean | string;
  readonly flags: readonly string[] | null;
};

/** A metric of a device in a range of times (by the devices' clocks). */
export type SeriesRange = {
  readonly device: string;
  readonly metric: string;
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
};

/** A step of a consumer of a log: from the offset it stood at to the one where it goes on. */
export type Progress = {
  readonly from: number;
  readonly to: number;
  /** Which log, "iot-telemetry/3": absent, the one of the embedded mode. */
  readonly partition?: string;
};

/** How long readings and aggregates are kept, ms. */
export type SeriesRetention = {
  readonly keepMs: number;
  /** Device types that differ. */
  readonly keepMsOf: ReadonlyMap<string, number>;
  readonly keepAggregatesMs: Readonly<Record<Resolution, number>>;
};

/**
 * Telemetry as time series.
 *
 * S1 `write` commits its rows and the consumer's progress in one transaction: whatever is delivered twice, the
 *    effect is once. A `from` that is not the stored progress throws `StaleProgress` and writes nothing. Each partition
 *    has a progress of its own, and writes to different ones wait for nothing of each other. A partition that was never
 *    written to begins at any `from`.
 * S2 Two readings of one metric with the same time are two rows.
 * S3 Retention counts from a reading's own time for recent data, and from its arrival for history that was
 *    loaded late: nothing is dropped within `keepMs` of its arrival.
 * S4 `refresh` may run at any time, in several processes, and again: aggregates are then those of all readings that were
 *    ever written, late ones too, also when the readings themselves are no longer kept. Strings have none.
 * S5 What is read for somebody who has gone meanwhile (`signal`) rejects with the signal's reason, and ends in the
 *    database too.
 */
export interface TimeSeries {
  /** In the log of the embedded mode: 0 at first. */
  progress(): Promise<number>;
  /** In a partition; null: it has never been there. */
  progressIn(partition: string): Promise<number | null>;
  /** Rows that are there already stay as they are. Throws `RowsRefused`, and writes nothing, when one cannot be stored. */
  write(rows: readonly SeriesRow[], progress: Progress): Promise<void>;
  /** Which of the rows `write` would refuse, with the reason: for after it did. Writes nothing. */
  refusals(rows: readonly SeriesRow[]): Promise<ReadonlyMap<SeriesRow, string>>;
  /**
   * For what comes again outside of a consumer's order (replay): rows that are there already stay as they are. Left out is
   * what is so old that retention has begun to drop its hour: aggregates have it, and must not have it twice.
   */
  writeAgain(rows: readonly SeriesRow[]): Promise<{ readonly added: number }>;
  coverage(range: SeriesRange & { readonly type: string }, signal?: AbortSignal): Promise<Coverage>;
  /** Readings, oldest first by (tsMs, offset): the newest `atMost` of the range. */
  readings(range: SeriesRange, atMost: number, signal?: AbortSignal): Promise<SeriesReading[]>;
  /** How many readings the range has, counted to `atMost` and no further. */
  count(range: SeriesRange, atMost: number, signal?: AbortSignal): Promise<number>;
  /** Statistics made from the readings, in the buckets of the grid; empty ones are left out; strings do not count. */
  buckets(range: SeriesRange, grid: BucketGrid, signal?: AbortSignal): Promise<StatsBucket[]>;
  /** The same from aggregates: those that begin in the range, each in the bucket that holds its beginning. */
  aggregated(
    range: SeriesRange,
    resolution: Resolution,
    grid: BucketGrid,
    signal?: AbortSignal,
  ): Promise<StatsBucket[]>;
  /** Of all that is kept for the device and metric: the times of the oldest and newest reading or aggregate; null: none. */
  extent(
    device: string,
    metric: string,
    signal?: AbortSignal,
  ): Promise<{ readonly firstMs: number; readonly lastMs: number } | null>;
  /** Names of the metrics that the device has ever sent (within retention), sorted. */
  metrics(device: string, signal?: AbortSignal): Promise<string[]>;
  /** Brings the aggregates up to `nowMs`, and late readings into them. Gives how many aggregates it wrote. */
  refresh(nowMs: number): Promise<number>;
  /** Makes the partitions that the coming days need and drops what is past retention; gives the dropped ones' names. */
  maintain(nowMs: number, retention: SeriesRetention): Promise<string[]>;
}

/** Another writer moved the progress: read it again and go on from there. */
export class StaleProgress extends Error {
  override readonly name = "StaleProgress";
  readonly code = "STALE_PROGRESS";
  readonly retry = "later";
}

/** The storage will never take one of the rows, e.g. for its time or its length: `refusals` says which. */
export class RowsRefused extends Error {
  override readonly name = "RowsRefused";
  readonly code = "ROWS_REFUSED";
  readonly retry = "never";
}
