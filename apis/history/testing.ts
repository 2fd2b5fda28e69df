/** A world in memory, of which a test says what is where: for tests of the history. */
import { bucketStart } from "../../core/history/buckets.ts";
import { type Coverage, type Resolution, resolutionMs } from "../../core/history/coverage.ts";
import { byTime, mergedBuckets } from "../../core/history/merge.ts";
import type { StatsBucket } from "../../core/history/stats.ts";
import type { Archive } from "../../ports/archive/port.ts";
import type { SeriesRange, SeriesReading, TimeSeries } from "../../ports/time-series/port.ts";
import { statistics } from "./sources.ts";

/** `late`: still in the time series though older than `rawFromMs`; `archived`: in the archive already though newer. */
export type WorldRow = SeriesReading & { readonly late?: boolean; readonly archived?: boolean };

export type World = {
  rows: WorldRow[];
  coverage: Coverage;
  readonly device: string;
  readonly metric: string;
  readonly series: TimeSeries;
  readonly archive: Archive;
  /** What was asked of time series and archive. */
  readonly asked: string[];
};

const hourMs = 3_600_000;

export function aWorld(rows: WorldRow[], coverage: Partial<Coverage> = {}): World {
  const asked: string[] = [];
  const world: World = {
    rows,
    coverage: {
      rawFromMs: Number.NEGATIVE_INFINITY,
      aggregatedToMs: 0,
      aggregatesFromMs: { minute: Number.NEGATIVE_INFINITY, hour: Number.NEGATIVE_INFINITY },
      dirtyHours: [],
      version: 1,
      ...coverage,
    },
    device: "pump-4",
    metric: "temperature",
    series: undefined as unknown as TimeSeries,
    archive: undefined as unknown as Archive,
    asked,
  };
  const of = ({ device, metric }: { device: string; metric: string }) =>
    device === world.device && metric === world.metric ? [...world.rows].sort(byTime) : [];
  const within = (range: SeriesRange, found: readonly WorldRow[]) =>
    found.filter(({ tsMs }) => tsMs >= range.fromMs && tsMs < range.toMs);
  const kept = (range: SeriesRange) =>
    within(
      range,
      of(range).filter((row) => row.tsMs >= world.coverage.rawFromMs || row.late === true),
    );
  const isDirty = (tsMs: number) => world.coverage.dirtyHours.includes(Math.floor(tsMs / hourMs) * hourMs);
  const aggregates = (range: SeriesRange, resolution: Resolution): StatsBucket[] => {
    const step = resolutionMs[resolution];
    const seen = of(range).filter(
      (row) =>
        row.tsMs < world.coverage.aggregatedToMs &&
        row.tsMs >= world.coverage.aggregatesFromMs[resolution] &&
        !(isDirty(row.tsMs) && row.late === true),
    );
    return mergedBuckets([statistics(seen)], (tsMs) => Math.floor(tsMs / step) * step);
  };
  const plain = ({ tsMs, offset, value, flags }: WorldRow): SeriesReading => ({ tsMs, offset, value, flags });
  const series: Partial<TimeSeries> = {
    coverage: async () => world.coverage,
    async readings(range, atMost) {
      asked.push("readings");
      return kept(range).slice(-atMost).map(plain);
    },
    async count(range, atMost) {
      return Math.min(atMost, kept(range).length);
    },
    async buckets(range, grid) {
      asked.push("buckets");
      return mergedBuckets([statistics(kept(range))], (tsMs) => bucketStart(tsMs, grid));
    },
    async aggregated(range, resolution, grid) {
      asked.push(resolution);
      const found = aggregates(range, resolution).filter(({ tsMs }) => tsMs >= range.fromMs && tsMs < range.toMs);
      return mergedBuckets([found], (tsMs) => bucketStart(tsMs, grid));
    },
    async extent(device, metric) {
      const all = { device, metric, fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };
      const times = [
        ...kept(all).map(({ tsMs }) => tsMs),
        ...(["minute", "hour"] as const).flatMap((resolution) => aggregates(all, resolution).map(({ tsMs }) => tsMs)),
      ];
      return times.length === 0 ? null : { firstMs: Math.min(...times), lastMs: Math.max(...times) };
    },
    metrics: async (device) => (device === world.device ? [world.metric] : []),
  };
  const archived = (range: SeriesRange) =>
    within(
      range,
      of(range).filter((row) => row.tsMs < world.coverage.rawFromMs || row.archived === true),
    );
  const archive: Partial<Archive> = {
    async *readings(range) {
      asked.push("archive");
      const found = archived(range).map(plain);
      // Batches end anywhere, between two readings of the same time too.
      for (let from = 0; from < found.length; from += 3) yield found.slice(from, from + 3);
    },
    async files({ fromMs, toMs }) {
      const found = archived({ device: world.device, metric: world.metric, fromMs, toMs });
      if (found.length === 0) return [];
      const { device } = world;
      return [
        {
          ...{ key: "telemetry/1.parquet", dayMs: 0, rows: found.length, bytes: 1, schemaVersion: 1 },
          ...{ firstDevice: device, lastDevice: device, firstTsMs: found[0]!.tsMs, lastTsMs: found.at(-1)!.tsMs },
        },
      ];
    },
    metrics: async (device) => (device === world.device ? [world.metric] : []),
  };
  return Object.assign(world, { series: series as TimeSeries, archive: archive as Archive });
}
