/** The history's series in the words of the API. */
import type { z } from "@hono/zod-openapi";
import { deviation, type StatsBucket } from "../../core/history/stats.ts";
import type { SeriesReading } from "../../ports/time-series/port.ts";
import { iso } from "../route.ts";
import type { IntervalPoint, QueryAnswer, RawPoint } from "./answer.ts";
import { type Aggregate, aggregateOf, type HistoryBatch, type HistorySeries } from "./query.ts";
import { statistics } from "./sources.ts";

export function seriesView(series: HistorySeries, aggregate: Aggregate): z.infer<typeof QueryAnswer>["series"][number] {
  const { device, metric, sources, downsampling, flagged } = series;
  const about = { device_id: device, metric, sources: [...sources], downsampling, flagged };
  return series.kind === "raw"
    ? { ...about, kind: "raw", points: series.readings.map(rawPoint) }
    : {
        ...about,
        kind: "intervals",
        interval_seconds: series.widthMs === null ? null : series.widthMs / 1_000,
        points: series.buckets.map((bucket) => intervalPoint(bucket, aggregate)),
      };
}

export function rawPoint({ tsMs, value, flags }: SeriesReading): z.infer<typeof RawPoint> {
  return { ts: iso(tsMs), value, ...(flags !== null && flags.length > 0 && { flags: [...flags] }) };
}

function intervalPoint(bucket: StatsBucket, aggregate: Aggregate): z.infer<typeof IntervalPoint> {
  const { count, mean, min, max, flagged } = bucket;
  const value = aggregateOf(bucket, aggregate);
  return { ts: iso(bucket.tsMs), value, count, avg: mean, min, max, stddev: deviation(bucket), flagged };
}

/** Whole series as batches of one kind: readings among intervals are intervals of one reading, and text has none. */
export function batchesOf(all: readonly HistorySeries[]): { kind: "raw" | "intervals"; batches: HistoryBatch[] } {
  const kind = all.every((series) => series.kind === "raw") ? "raw" : "intervals";
  const batches = all.map((series): HistoryBatch => {
    const { device, metric } = series;
    if (series.kind === "intervals") return { device, metric, kind: "intervals", buckets: series.buckets };
    if (kind === "raw") return { device, metric, kind: "raw", readings: series.readings };
    return { device, metric, kind: "intervals", buckets: statistics(series.readings) };
  });
  return { kind, batches };
}
