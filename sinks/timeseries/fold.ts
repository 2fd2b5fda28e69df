import type { SeriesRow } from "../../ports/time-series/port.ts";
import type { LogItem } from "../consumer.ts";

/** A row for each reading of the telemetry among the items, in their order. */
export function rowsOf(items: readonly LogItem[]): SeriesRow[] {
  const rows: SeriesRow[] = [];
  for (const { offset, entry } of items) {
    const { device, record } = entry;
    if (record.kind !== "telemetry") continue;
    const { tsMs, atMs: receivedAtMs, readings } = record;
    const tags = record.tags ?? null;
    for (const metric in readings) {
      rows.push({ device, tsMs, metric, value: readings[metric]!, tags, receivedAtMs, offset });
    }
  }
  return rows;
}

export function readingsIn({ entry: { record } }: LogItem): number {
  return record.kind === "telemetry" ? Object.keys(record.readings).length : 0;
}
