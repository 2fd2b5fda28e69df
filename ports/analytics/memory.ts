import { bucketStart } from "../../core/history/buckets.ts";
import { type Resolution, resolutionMs } from "../../core/history/coverage.ts";
import { merged, type StatsBucket, statsOf } from "../../core/history/stats.ts";
import { type SeriesRange, type SeriesRow, StaleProgress } from "../time-series/port.ts";
import type { Analytics } from "./port.ts";

/** The analytics as a map: for tests. */
export function memoryAnalytics(): Analytics {
  const progress = new Map<string, number>();
  const rows = new Map<string, SeriesRow & { readonly partition: string }>();
  /** What `refresh` has seen. */
  let refreshed: readonly SeriesRow[] = [];

  function found(from: Iterable<SeriesRow>, { device, metric, fromMs, toMs }: SeriesRange): SeriesRow[] {
    return [...from]
      .filter((row) => row.device === device && row.metric === metric && row.tsMs >= fromMs && row.tsMs < toMs)
      .sort((a, b) => a.tsMs - b.tsMs || a.offset - b.offset);
  }

  return {
    progressIn: async (partition) => progress.get(partition) ?? null,
    async write(added, { from, to, partition = "" }) {
      const at = progress.get(partition) ?? from;
      if (at !== from) throw new StaleProgress(`analytics stand at ${at} in "${partition}", not at ${from}`);
      for (const row of added)
        rows.set(JSON.stringify([row.device, row.metric, row.tsMs, row.offset]), { ...row, partition });
      progress.set(partition, to);
    },
    readings: async (range, atMost) =>
      found(rows.values(), range)
        .slice(-atMost)
        .map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags })),
    buckets: async (range, grid) => statistics(found(rows.values(), range), (tsMs) => bucketStart(tsMs, grid)),
    async aggregated(range, resolution, grid) {
      const begins = (tsMs: number) => startOf(tsMs, resolution);
      const whole = found(refreshed, { ...range, fromMs: -Infinity, toMs: Infinity });
      const within = whole.filter(({ tsMs }) => begins(tsMs) >= range.fromMs && begins(tsMs) < range.toMs);
      return statistics(within, (tsMs) => bucketStart(begins(tsMs), grid));
    },
    async refresh() {
      refreshed = [...rows.values()].filter(({ partition, offset }) => offset < (progress.get(partition) ?? 0));
    },
    async close() {},
  };
}

function startOf(tsMs: number, resolution: Resolution): number {
  return Math.floor(tsMs / resolutionMs[resolution]) * resolutionMs[resolution];
}

function statistics(rows: readonly SeriesRow[], bucketOf: (tsMs: number) => number): StatsBucket[] {
  const buckets = new Map<number, StatsBucket>();
  for (const { tsMs, value, flags } of rows) {
    if (typeof value === "string") continue;
    const start = bucketOf(tsMs);
    const one = statsOf(Number(value), flags !== null);
    const before = buckets.get(start);
    buckets.set(start, { tsMs: start, ...(before === undefined ? one : merged(before, one)) });
  }
  return [...buckets.values()];
}
