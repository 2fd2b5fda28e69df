import type { TimeSeries } from "../../ports/time-series/port.ts";
import type { Target } from "../consumer.ts";
import type { PartitionTarget } from "../partition-sink.ts";
import { readingsIn, rowsOf } from "./fold.ts";

/** Telemetry from the log into the time series. */
export function timeSeriesTarget(series: TimeSeries): Target & PartitionTarget {
  return {
    name: "timeseries",
    progress: () => series.progress(),
    progressIn: (partition) => series.progressIn(partition),
    commit: (items, progress) => series.write(rowsOf(items), progress),
    weigh: readingsIn,
  };
}
