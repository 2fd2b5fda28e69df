import type { SeriesRetention, TimeSeries } from "../../ports/time-series/port.ts";
import type { SinkTarget } from "../target.ts";
import { readingsIn, rowsOf } from "./fold.ts";

export type TimeSeriesSinkOptions = {
  /** Asked each time, since device types may change it. */
  readonly retention: () => Promise<SeriesRetention>;
  readonly refreshMs?: number;
};

/** Telemetry from the log into the time series, whose aggregates and retention it looks after. */
export function timeSeriesTarget(
  series: TimeSeries,
  { retention, refreshMs = 30_000 }: TimeSeriesSinkOptions,
): SinkTarget {
  return {
    name: "timeseries",
    topics: ["iot-telemetry"],
    progress: () => series.progress(),
    progressIn: (partition) => series.progressIn(partition),
    commit: (items, progress) => series.write(rowsOf(items), progress),
    weigh: readingsIn,
    chores: [
      {
        name: "retention",
        everyMs: 3_600_000,
        first: true, // or all rows become history
        run: async (nowMs) => void (await series.maintain(nowMs, await retention())),
      },
      { name: "aggregates", everyMs: refreshMs, run: async (nowMs) => void (await series.refresh(nowMs)) },
    ],
  };
}
