/** What can be asked of the history, and what it answers. */
import type { IntervalSpec } from "../../core/history/intervals.ts";
import type { Source } from "../../core/history/plan.ts";
import { deviation, type StatsBucket } from "../../core/history/stats.ts";
import type { SeriesReading } from "../../ports/time-series/port.ts";

export const aggregates = ["avg", "min", "max", "sum", "count", "stddev"] as const;
export type Aggregate = (typeof aggregates)[number];
export const downsamplings = ["auto", "lttb", "minmax", "none"] as const;
export type Downsampling = (typeof downsamplings)[number];

export type HistoryQuery = {
  readonly devices: readonly string[];
  readonly metrics: readonly string[];
  /** Inclusive and exclusive, epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Null: readings, where they are few enough. */
  readonly aggregate: Aggregate | null;
  /** Null: as many as `maxPoints` allow. */
  readonly interval: IntervalSpec | null;
  /** IANA; days, weeks and months begin in it. */
  readonly timeZone: string;
  /** Of each series. */
  readonly maxPoints: number;
  readonly downsample: Downsampling;
};

/** All of a range in order, however much it is: what exports ask for. */
export type StreamQuery = Pick<HistoryQuery, "devices" | "metrics" | "fromMs" | "toMs" | "interval" | "timeZone">;

export type HistorySeries = {
  readonly device: string;
  readonly metric: string;
  readonly sources: readonly Source[];
  readonly downsampling: {
    readonly method: "lttb" | "minmax" | "newest";
    readonly from: number;
    readonly to: number;
  } | null;
  /** Readings in the range that a rule has flagged. */
  readonly flagged: number;
} & SeriesPoints;

export type SeriesPoints =
  | { readonly kind: "raw"; readonly readings: readonly SeriesReading[] }
  /** `widthMs` null: months. */
  | { readonly kind: "intervals"; readonly widthMs: number | null; readonly buckets: readonly StatsBucket[] };

/** A part of one series on its way out. */
export type HistoryBatch = { readonly device: string; readonly metric: string } & (
  | { readonly kind: "raw"; readonly readings: readonly SeriesReading[] }
  | { readonly kind: "intervals"; readonly buckets: readonly StatsBucket[] }
);

export function aggregateOf(bucket: StatsBucket, aggregate: Aggregate): number {
  switch (aggregate) {
    case "avg":
      return bucket.mean;
    case "sum":
      return bucket.mean * bucket.count;
    case "stddev":
      return deviation(bucket);
    default:
      return bucket[aggregate];
  }
}
