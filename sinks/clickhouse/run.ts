import type { Analytics } from "../../ports/analytics/port.ts";
import type { SinkTarget } from "../target.ts";
import { readingsIn, rowsOf } from "../timeseries/fold.ts";

const refreshMs = 60_000;

/** Telemetry from the log into ClickHouse; its aggregates each minute. */
export function clickHouseTarget(analytics: Analytics): SinkTarget {
  return {
    name: "clickhouse",
    topics: ["iot-telemetry"],
    progress: async () => (await analytics.progressIn("")) ?? 0,
    progressIn: (partition) => analytics.progressIn(partition),
    commit: (items, progress) => analytics.write(rowsOf(items), progress),
    weigh: readingsIn,
    chores: [{ name: "aggregates", everyMs: refreshMs, run: () => analytics.refresh() }],
  };
}
