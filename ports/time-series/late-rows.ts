/**
 * What readings mean for aggregates that are made already. Pure.
 *
 * L1 What is older than the threshold changes what the device has there: its version grows.
 * L2 Of that, numbers from `mergeBeforeMs` on make their hour dirty: it is aggregated again from its readings.
 * L3 Older numbers go straight into their aggregates, as statistics: the readings of those hours are not complete any more.
 */
import { type Resolution, resolutionMs } from "../../core/history/coverage.ts";
import { merged, type SeriesStats, statsOf } from "../../core/history/stats.ts";
import type { SeriesRow } from "./port.ts";
import { storableText } from "./storable-text.ts";

/** Epoch ms; -Infinity where nothing has happened yet. */
export type AggregateBorders = {
  /** Aggregates are made, or being made, before this time. */
  readonly thresholdMs: number;
  /** Hours before this one are never aggregated from their readings again. At most `thresholdMs`. */
  readonly mergeBeforeMs: number;
  /** Since when aggregates are kept. */
  readonly aggregatesFromMs: Readonly<Record<Resolution, number>>;
};

export type DirtyHour = { readonly device: string; readonly metric: string; readonly hourMs: number };

/** The statistics that one aggregate gains. */
export type Gain = SeriesStats & { readonly device: string; readonly metric: string; readonly startMs: number };

export type Late = {
  /** Sorted: whoever locks rows for them does it in one order. */
  readonly devices: readonly string[];
  readonly dirty: readonly DirtyHour[];
  /** Sorted by device, metric, start. */
  readonly gains: Readonly<Record<Resolution, readonly Gain[]>>;
};

/** Null: none of the rows is late. */
export function lateIn(rows: readonly SeriesRow[], borders: AggregateBorders): Late | null {
  let devices: Set<string> | null = null;
  const dirty = new Map<string, DirtyHour>();
  const gains = { minute: new Map<string, Gain>(), hour: new Map<string, Gain>() };
  for (const row of rows) {
    if (row.tsMs >= borders.thresholdMs) continue;
    devices ??= new Set();
    const device = storableText(row.device);
    devices.add(device); // L1
    if (typeof row.value === "string") continue;
    const metric = storableText(row.metric);
    if (row.tsMs >= borders.mergeBeforeMs) {
      const hourMs = windowStart(row.tsMs, "hour"); // L2
      dirty.set(`${device}\0${metric}\0${hourMs}`, { device, metric, hourMs });
      continue;
    }
    for (const resolution of ["minute", "hour"] as const) {
      const startMs = windowStart(row.tsMs, resolution); // L3
      if (startMs < borders.aggregatesFromMs[resolution]) continue;
      const key = `${device}\0${metric}\0${startMs}`;
      const found = gains[resolution].get(key);
      const stats = statsOf(Number(row.value), row.flags !== null);
      const sum = found === undefined ? stats : merged(found, stats);
      gains[resolution].set(key, { ...sum, device, metric, startMs });
    }
  }
  if (devices === null) return null;
  return {
    devices: [...devices].sort(),
    dirty: [...dirty.values()],
    gains: { minute: inOrder(gains.minute), hour: inOrder(gains.hour) },
  };
}

export function windowStart(atMs: number, resolution: Resolution): number {
  const width = resolutionMs[resolution];
  return Math.floor(atMs / width) * width;
}

function inOrder(gains: ReadonlyMap<string, Gain>): Gain[] {
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...gains.values()].sort(
    (a, b) => order(a.device, b.device) || order(a.metric, b.metric) || a.startMs - b.startMs,
  );
}
