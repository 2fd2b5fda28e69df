import { bucketGrid, bucketStart } from "../../core/history/buckets.ts";
import {
  type Bucket,
  type Progress,
  type SeriesAnswer,
  type SeriesQuery,
  type SeriesRow,
  StaleProgress,
  type TimeSeries,
} from "./port.ts";
import { keptDays } from "./retention-days.ts";

/** The time series as an array: for tests and for the smallest of set-ups. Nothing outlives the process. */
export function memoryTimeSeries(): TimeSeries {
  const stored = memoryProgress();
  let rows: SeriesRow[] = [];

  return {
    progress: async () => stored.in("") ?? 0,
    progressIn: async (partition) => stored.in(partition),
    async write(added: readonly SeriesRow[], progress: Progress) {
      stored.move(progress);
      rows = rows.concat(added);
    },
    async query(query: SeriesQuery) {
      const found = rows
        .filter((row) => row.device === query.device && row.metric === query.metric)
        .filter((row) => row.tsMs >= query.fromMs && row.tsMs < query.toMs)
        .sort((a, b) => a.tsMs - b.tsMs || a.offset - b.offset);
      return answer(found, query.maxPoints);
    },
    async metrics(device: string) {
      return [...new Set(rows.filter((row) => row.device === device).map((row) => row.metric))].sort();
    },
    async maintain(nowMs: number, keepMs: number) {
      const { isPast, cutoffMs, nameOf } = keptDays(nowMs, keepMs);
      const dropped = rows.filter((row) => isPast(row.tsMs) && row.receivedAtMs < cutoffMs);
      rows = rows.filter((row) => !dropped.includes(row));
      return [...new Set(dropped.map((row) => nameOf(row.tsMs)))].sort();
    },
  };
}

/** Where a consumer stands, by partition; the embedded log is "". */
export function memoryProgress() {
  const stored = new Map([["", 0]]);
  return {
    in: (partition: string) => stored.get(partition) ?? null,
    move({ from, to, partition = "" }: Progress): void {
      const at = stored.get(partition) ?? from;
      if (from !== at) throw new StaleProgress(`progress is ${at}, not ${from}; go on from there`);
      stored.set(partition, to);
    },
  };
}

/** What a query gives for these readings, oldest first. */
function answer(found: readonly SeriesRow[], maxPoints: number): SeriesAnswer {
  if (found.length <= maxPoints) return raw(found);
  const numbers = found.filter((row) => typeof row.value !== "string");
  if (numbers.length === 0) return raw(found.slice(-maxPoints));
  const grid = bucketGrid(found[0]!.tsMs, found.at(-1)!.tsMs, maxPoints);
  const buckets = new Map<number, number[]>();
  for (const row of numbers) {
    const start = bucketStart(row.tsMs, grid);
    const values = buckets.get(start) ?? [];
    values.push(Number(row.value));
    buckets.set(start, values);
  }
  const points = [...buckets].map(([tsMs, values]) => bucketOf(tsMs, values));
  return { kind: "buckets", bucketMs: grid.widthMs, points };
}

function raw(found: readonly SeriesRow[]): SeriesAnswer {
  return { kind: "raw", points: found.map(({ tsMs, value }) => ({ tsMs, value })) };
}

function bucketOf(tsMs: number, values: readonly number[]): Bucket {
  const count = values.length;
  const sum = values.reduce((total, value) => total + value, 0);
  // Only the sum of very large readings is infinite, never their average.
  const avg = Number.isFinite(sum) ? sum / count : values.reduce((total, value) => total + value / count, 0);
  return { tsMs, count, avg, min: Math.min(...values), max: Math.max(...values) };
}
