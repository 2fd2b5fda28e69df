import type { TelemetryAccepted } from "../../core/device/records.ts";
import type { SeriesRow } from "../../ports/time-series/port.ts";
import type { LogItem } from "../consumer.ts";

/** A row for each reading of the telemetry among the items, in their order. */
export function rowsOf(items: readonly LogItem[]): SeriesRow[] {
  const rows: SeriesRow[] = [];
  for (const { offset, entry } of items) {
    const { device, record } = entry;
    if (record.kind !== "telemetry") continue;
    const { tsMs, atMs: receivedAtMs, readings, type = "default", region = "" } = record;
    const tags = record.tags ?? null;
    for (const metric in readings) {
      const flags = record.flags === undefined ? null : flagsOf(record.flags, metric);
      rows.push({ device, tsMs, metric, value: readings[metric]!, tags, receivedAtMs, offset, flags, type, region });
    }
  }
  return rows;
}

/** Of the reading, and of its message as a whole. */
export function flagsOf(flags: NonNullable<TelemetryAccepted["flags"]>, metric: string): readonly string[] | null {
  const found = [...(Object.hasOwn(flags, metric) ? flags[metric]! : []), ...(flags[""] ?? [])];
  return found.length === 0 ? null : found;
}

export function readingsIn({ entry: { record } }: LogItem): number {
  return record.kind === "telemetry" ? Object.keys(record.readings).length : 0;
}
