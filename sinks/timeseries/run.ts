import { isDatabaseAway } from "../../ports/postgres/errors.ts";
import type { SinkDeadLetters } from "../../ports/sink-dead-letters/port.ts";
import type { SeriesRetention, TimeSeries } from "../../ports/time-series/port.ts";
import { Breaker, withBreaker } from "../breaker.ts";
import type { SinkTarget } from "../target.ts";
import { readingsIn, rowsOf } from "./fold.ts";
import { writeOrSetAside } from "./set-aside.ts";

export type TimeSeriesSinkOptions = {
  /** Asked each time, since device types may change it. */
  readonly retention: () => Promise<SeriesRetention>;
  /** Where readings go that the storage refuses; absent: their batch waits. */
  readonly deadLetters?: SinkDeadLetters;
  readonly refreshMs?: number;
  readonly now?: () => number;
};

/** Telemetry from the log into the time series, whose aggregates and retention it looks after. */
export function timeSeriesTarget(
  series: TimeSeries,
  { retention, deadLetters, refreshMs = 30_000, now = Date.now }: TimeSeriesSinkOptions,
): SinkTarget {
  const target: SinkTarget = {
    name: "timeseries",
    topics: ["iot-telemetry"],
    progress: () => series.progress(),
    progressIn: (partition) => series.progressIn(partition),
    commit: (items, progress) =>
      deadLetters === undefined
        ? series.write(rowsOf(items), progress)
        : writeOrSetAside(series, deadLetters, rowsOf(items), progress, now),
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
  return withBreaker(target, new Breaker({ now, isAway: (error) => isDatabaseAway(error) || isExhausted(error) }));
}

/** SQLSTATE class 53: a full disk, too many connections, no memory. */
function isExhausted(error: unknown): boolean {
  return /^53...$/.test(String((error as { code?: unknown }).code));
}
