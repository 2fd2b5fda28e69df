import type { DeviceTypes } from "../../ports/device-types/port.ts";
import type { QualityRow, QualityStats } from "../../ports/quality-stats/port.ts";
import type { SinkTarget } from "../target.ts";
import { openDimensions } from "./dimension.ts";
import { isCounted, qualityRowsOf } from "./fold.ts";

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const mergeMs = 600_000;

export type QualityTimes = {
  /** How long minutes are kept as such; hours of them after that. */
  readonly keepMinutesMs: number;
  readonly keepHoursMs: number;
};

export const defaultQualityTimes: QualityTimes = { keepMinutesMs: 3 * dayMs, keepHoursMs: 400 * dayMs };

/** How good the data is, counted from the log. `counted` hears of the rows that have been committed, for metrics. */
export function qualityTarget(
  stats: QualityStats,
  deviceTypes: Pick<DeviceTypes, "all" | "revision">,
  {
    times = defaultQualityTimes,
    counted = () => {},
  }: { times?: QualityTimes; counted?: (rows: readonly QualityRow[]) => void } = {},
): SinkTarget {
  const dimensions = openDimensions(deviceTypes);
  return {
    name: "quality",
    topics: ["iot-telemetry", "dead-letter", "device-events"],
    progress: () => stats.progress(),
    progressIn: (partition) => stats.progressIn(partition),
    async commit(items, progress) {
      await dimensions.refresh();
      const rows = qualityRowsOf(items, dimensions.of);
      await stats.add(rows, progress);
      counted(rows);
    },
    // Thousands of them make a few rows.
    weigh: ({ entry }) => (isCounted(entry.record) ? 1 : 0),
    chores: [
      {
        name: "retention",
        everyMs: mergeMs,
        run: (nowMs) =>
          stats.maintain({
            mergeBeforeMs: nowMs - mergeMs,
            minutesBeforeMs: Math.floor((nowMs - times.keepMinutesMs) / hourMs) * hourMs,
            hoursBeforeMs: nowMs - times.keepHoursMs,
          }),
      },
    ],
  };
}
