/** What of a metric's history is where: the facts that a plan (plan.ts) is made from. */

/** Of aggregates. */
export type Resolution = "minute" | "hour";
export const resolutionMs: Readonly<Record<Resolution, number>> = { minute: 60_000, hour: 3_600_000 };

/** What a query has to know to put an answer together; valid for a range that it asks for. */
export type Coverage = {
  /** From here on all readings of the device are in the time series; of earlier ones some are, all are in the archive. */
  readonly rawFromMs: number;
  /** Aggregates are complete before this time, but for what `dirtyHours` names. A whole hour. */
  readonly aggregatedToMs: number;
  /** Since when there are aggregates of each resolution; -Infinity: since ever. */
  readonly aggregatesFromMs: Readonly<Record<Resolution, number>>;
  /** Starts of hours (UTC) in the range whose aggregates do not have late readings yet: the readings themselves do. */
  readonly dirtyHours: readonly number[];
  /** Grows with each change of what the metric has before `aggregatedToMs`: an answer for such times holds until then. */
  readonly version: number;
};
