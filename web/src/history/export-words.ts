import type { Export } from "../contract.ts";
import { formatNumber } from "../format.ts";
import { schedules } from "./query.ts";

/** "temperature and 2 more of pump-4 as parquet" in its parts: what, and how. */
export function exportWhat({ device_id, metric }: Pick<Export, "device_id" | "metric">): string {
  const metrics =
    metric.length <= 3 ? metric.join(", ") : `${metric.slice(0, 2).join(", ")} and ${metric.length - 2} more`;
  return `${metrics} of ${device_id.length === 1 ? device_id[0] : `${formatNumber(device_id.length)} devices`}`;
}

/** How often it is made: "every day at 6", or the expression where it is none of ours; null: once. */
export function exportEvery({ schedule }: Pick<Export, "schedule">): string | null {
  if (schedule === null) return null;
  return schedules.find(({ cron }) => cron === schedule)?.name.toLowerCase() ?? schedule;
}

/** Whether looking again soon would show something new. */
export function underWay(exports: readonly Pick<Export, "state" | "runs">[]): boolean {
  return exports.some(({ state, runs }) => state === "waiting" || state === "running" || runs[0]?.state === "running");
}
