import type { SinkDeadLetters } from "../../ports/sink-dead-letters/port.ts";
import type { SeriesRetention, TimeSeries } from "../../ports/time-series/port.ts";
import type { SinkTarget } from "../target.ts";
import { readingsIn, rowsOf } from "./fold.ts";
import { refusalsOf } from "./refusals.ts";

export type TimeSeriesSinkOptions = {
  /** Asked each time, since device types may change it. */
  readonly retention: () => Promise<SeriesRetention>;
  /** What sinks have set aside is kept as long as readings are. */
  readonly deadLetters?: Pick<SinkDeadLetters, "trim">;
  readonly refreshMs?: number;
};

/** Telemetry from the log into the time series, whose aggregates and retention it looks after. */
export function timeSeriesTarget(
  series: TimeSeries,
  { retention, deadLetters, refreshMs = 30_000 }: TimeSeriesSinkOptions,
): SinkTarget {
  return {
    name: "timeseries",
    topics: ["iot-telemetry"],
    progress: () => series.progress(),
    progressIn: (partition) => series.progressIn(partition),
    commit: (items, progress) => series.write(rowsOf(items), progress),
    refusals: (items) => refusalsOf(series, items),
    weigh: readingsIn,
    chores: [
      {
        name: "retention",
        everyMs: 3_600_000,
        first: true, // or all rows become history
        async run(nowMs) {
          const times = await retention();
          await series.maintain(nowMs, times);
          await deadLetters?.trim(nowMs - times.keepMs);
        },
      },
      { name: "aggregates", everyMs: refreshMs, run: async (nowMs) => void (await series.refresh(nowMs)) },
    ],
  };
}
