import type { ReadingColumns } from "../../ports/archive/columns.ts";
import type { LogItem } from "../consumer.ts";
import { flagsOf } from "../timeseries/fold.ts";

/** Adds what `rowsOf` (timeseries/fold.ts) would give, without an object for each reading. */
export function gather(columns: ReadingColumns, items: readonly LogItem[]): void {
  for (const { offset, entry } of items) {
    const { device, record } = entry;
    if (record.kind !== "telemetry") continue;
    const { tsMs, atMs: receivedAtMs, readings, type = "default", region = "", tags = null, flags } = record;
    columns.begin({ device, tsMs, offset, receivedAtMs, type, region, tags });
    for (const metric in readings) {
      columns.add(metric, readings[metric]!, flags === undefined ? null : flagsOf(flags, metric));
    }
  }
}
