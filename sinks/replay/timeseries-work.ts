/** Rows and aggregates of the running system, from the log once more. */
import type { SeriesRow, TimeSeries } from "../../ports/time-series/port.ts";
import { readingsIn, rowsOf } from "../timeseries/fold.ts";
import type { ReplayWork } from "./run.ts";

/** Rows that are missing are added, and reach their aggregates; what is there stays. */
export function rowsWork(series: TimeSeries, now: () => number = Date.now): ReplayWork {
  let looked = 0;
  let added = 0;
  return {
    ...telemetryOf(series),
    async take(items) {
      const rows = rowsOf(items);
      looked += rows.length;
      const outcome = await series.writeAgain(rows);
      added += outcome.added; // not `+= await`: partitions come side by side
    },
    async finish() {
      await series.refresh(now());
      return `${looked} readings looked at, ${added} were missing and are there again.`;
    },
  };
}

export type SeriesHour = { readonly device: string; readonly metric: string; readonly hourMs: number };

/**
 * Aggregates of the hours that the log has readings of, made anew from the rows.
 * @param invalidate notes hours that are to be aggregated again; gives how many of them can be
 */
export function aggregatesWork(
  series: TimeSeries,
  invalidate: (hours: readonly SeriesHour[]) => Promise<number>,
  now: () => number = Date.now,
): ReplayWork {
  let hours = 0;
  return {
    ...telemetryOf(series),
    async take(items) {
      const invalidated = await invalidate(hoursOf(rowsOf(items)));
      hours += invalidated;
    },
    async finish() {
      const written = await series.refresh(now());
      return `${hours} hours of metrics were looked at again, ${written} aggregates written.`;
    },
  };
}

function telemetryOf(series: TimeSeries): Pick<ReplayWork, "topics" | "weigh" | "sinkProgress" | "begin"> {
  return {
    topics: ["iot-telemetry"],
    weigh: readingsIn,
    sinkProgress: (partition) => series.progressIn(partition),
    begin: async () => {},
  };
}

const hourMs = 3_600_000;

/** Of numbers and booleans, each once. */
export function hoursOf(rows: readonly SeriesRow[]): SeriesHour[] {
  const hours = new Map<string, SeriesHour>();
  for (const { device, metric, tsMs, value } of rows) {
    if (typeof value === "string") continue;
    const hour = Math.floor(tsMs / hourMs) * hourMs;
    hours.set(`${device}\0${metric}\0${hour}`, { device, metric, hourMs: hour });
  }
  return [...hours.values()];
}
