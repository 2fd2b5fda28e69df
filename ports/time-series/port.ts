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
};

export type SeriesQuery = {
  readonly device: string;
  readonly metric: string;
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  /** 1 to 10,000. More readings than this come back as buckets. */
  readonly maxPoints: number;
};

export type Bucket = {
  readonly tsMs: number;
  readonly count: number;
  readonly avg: number;
  readonly min: number;
  readonly max: number;
};

export type SeriesAnswer =
  /** Every reading, oldest first; equal times in the order of arrival. */
  | { readonly kind: "raw"; readonly points: { readonly tsMs: number; readonly value: number | boolean | string }[] }
  /** Numbers (and booleans as 0 and 1) in buckets of `bucketMs`, empty ones left out. Strings have no buckets: the newest `maxPoints` come raw. */
  | { readonly kind: "buckets"; readonly bucketMs: number; readonly points: Bucket[] };

/** A step of a consumer of a log: from the offset it stood at to the one where it goes on. */
export type Progress = {
  readonly from: number;
  readonly to: number;
  /** Which log, "iot-telemetry/3": absent, the one of the embedded mode. */
  readonly partition?: string;
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
 */
export interface TimeSeries {
  /** In the log of the embedded mode: 0 at first. */
  progress(): Promise<number>;
  /** In a partition; null: it has never been there. */
  progressIn(partition: string): Promise<number | null>;
  write(rows: readonly SeriesRow[], progress: Progress): Promise<void>;
  query(query: SeriesQuery): Promise<SeriesAnswer>;
  /** Names of the metrics that the device has ever sent (within retention), sorted. */
  metrics(device: string): Promise<string[]>;
  /** Makes the partitions that the coming days need and drops what is past retention; gives the dropped ones' names. */
  maintain(nowMs: number, keepMs: number): Promise<string[]>;
}

/** Another writer moved the progress: read it again and go on from there. */
export class StaleProgress extends Error {
  override readonly name = "StaleProgress";
  readonly code = "STALE_PROGRESS";
  readonly retry = "later";
}
