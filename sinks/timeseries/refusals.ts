import type { SeriesRow, TimeSeries } from "../../ports/time-series/port.ts";
import type { LogItem } from "../consumer.ts";
import type { Refusals } from "../target.ts";
import { rowsOf } from "./fold.ts";

/** Reading by reading: what else a message has measured is kept. */
export async function refusalsOf(series: Pick<TimeSeries, "refusals">, items: readonly LogItem[]): Promise<Refusals> {
  const refused = await series.refusals(rowsOf(items));
  const metricsOf = new Map<number, Set<string>>();
  for (const { offset, metric } of refused.keys()) {
    const metrics = metricsOf.get(offset) ?? new Set();
    metricsOf.set(offset, metrics.add(metric));
  }
  return {
    refused: [...refused].map(([row, reason]) => letterOf(row, reason)),
    kept: items.map((item) => without(item, metricsOf.get(item.offset))),
  };
}

function without(item: LogItem, metrics: ReadonlySet<string> | undefined): LogItem {
  const { record } = item.entry;
  if (metrics === undefined || record.kind !== "telemetry") return item;
  const readings = Object.fromEntries(Object.entries(record.readings).filter(([metric]) => !metrics.has(metric)));
  return { ...item, entry: { ...item.entry, record: { ...record, readings } } };
}

function letterOf(row: SeriesRow, reason: string): Refusals["refused"][number] {
  const { device, offset, metric, ...rest } = row;
  return { offset, part: metric, device, reason, content: JSON.stringify({ metric, ...rest }) };
}
