import type { History } from "./contract.ts";

/**
 * History as a chart draws it: columns of equal length, times in seconds, rising. Raw points have one line (`middle`);
 * buckets have a band from `low` to `high` and their average as the line. null breaks the line where readings are
 * missing: a straight line across a night of silence would be a lie.
 */
export type ChartColumns = {
  times: number[];
  low: (number | null)[];
  high: (number | null)[];
  middle: (number | null)[];
  banded: boolean;
};

/** A silence of this many usual intervals breaks the line. */
const breakAfter = 4;

/** null if the metric holds text: that is no line to draw. */
export function chartColumns(history: History): ChartColumns | null {
  const banded = history.kind === "buckets";
  const columns: ChartColumns = { times: [], low: [], high: [], middle: [], banded };
  if (history.kind === "buckets") {
    for (const { ts, min, max, avg } of history.points) push(columns, Date.parse(ts) / 1000, min, max, avg);
  } else {
    for (const { ts, value } of history.points) {
      if (typeof value === "string") return null;
      const height = Number(value);
      push(columns, Date.parse(ts) / 1000, height, height, height);
    }
  }
  return withBreaks(columns, history.kind === "buckets" ? history.bucketSeconds : 0);
}

/** The history with one reading more, at its end; buckets take it into the bucket it falls in. Late ones are left out. */
export function appended(history: History, tsMs: number, value: number | boolean | string): History {
  const ts = new Date(tsMs).toISOString();
  const last = history.points.at(-1);
  if (history.kind === "raw") {
    if (last && Date.parse(last.ts) >= tsMs) return history;
    return { ...history, points: [...history.points, { ts, value }] };
  }
  if (typeof value === "string") return history;
  const height = Number(value);
  const bucketMs = history.bucketSeconds * 1000;
  const bucket = history.points.at(-1);
  if (bucket && tsMs < Date.parse(bucket.ts)) return history;
  if (bucket && tsMs < Date.parse(bucket.ts) + bucketMs) {
    const count = bucket.count + 1;
    const grown = {
      ts: bucket.ts,
      count,
      avg: bucket.avg + (height - bucket.avg) / count,
      min: Math.min(bucket.min, height),
      max: Math.max(bucket.max, height),
    };
    return { ...history, points: [...history.points.slice(0, -1), grown] };
  }
  const start = bucket
    ? Date.parse(bucket.ts) + Math.floor((tsMs - Date.parse(bucket.ts)) / bucketMs) * bucketMs
    : Math.floor(tsMs / bucketMs) * bucketMs;
  const opened = { ts: new Date(start).toISOString(), count: 1, avg: height, min: height, max: height };
  return { ...history, points: [...history.points, opened] };
}

/** First and last moment of the points, epoch ms; null if there are none. */
export function extent(history: History): { fromMs: number; toMs: number } | null {
  const first = history.points[0];
  const last = history.points.at(-1);
  if (!first || !last) return null;
  const bucketMs = history.kind === "buckets" ? history.bucketSeconds * 1000 : 0;
  return { fromMs: Date.parse(first.ts), toMs: Date.parse(last.ts) + bucketMs };
}

function withBreaks(columns: ChartColumns, atLeastSeconds: number): ChartColumns {
  const steps = columns.times.slice(1).map((time, at) => time - (columns.times[at] ?? time));
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] ?? 0;
  const limit = Math.max(usual, atLeastSeconds) * breakAfter;
  if (limit === 0 || !steps.some((step) => step > limit)) return columns;
  const broken: ChartColumns = { times: [], low: [], high: [], middle: [], banded: columns.banded };
  columns.times.forEach((time, at) => {
    const before = columns.times[at - 1];
    if (before !== undefined && time - before > limit) push(broken, (before + time) / 2, null, null, null);
    push(broken, time, columns.low[at] ?? null, columns.high[at] ?? null, columns.middle[at] ?? null);
  });
  return broken;
}

function push(to: ChartColumns, time: number, low: number | null, high: number | null, middle: number | null): void {
  to.times.push(time);
  to.low.push(low);
  to.high.push(high);
  to.middle.push(middle);
}
