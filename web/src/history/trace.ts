/**
 * One metric of one device as it is drawn. Of readings (`raw`) each point is one, with `low` = `high` = `middle`; a
 * bucket's point begins at `tsMs` and has lowest, highest and average.
 */
export type Trace = {
  device: string;
  metric: string;
  kind: "raw" | "buckets";
  /** Width of a bucket, ms; of readings 0. */
  bucketMs: number;
  points: TracePoint[];
  /** A metric that holds text: `points` is empty then. */
  texts: { tsMs: number; text: string; rules: string[] }[];
};

export type TracePoint = {
  tsMs: number;
  low: number;
  high: number;
  middle: number;
  /** Readings in it. */
  count: number;
  /** How many of them a quality rule has flagged. */
  flagged: number;
  /** Those rules' names, where they are known. */
  rules: string[];
};

/** A silence in a trace: no reading after `fromMs` and before `toMs`. */
export type Gap = { fromMs: number; toMs: number };

/** A silence of this many usual distances is a gap. */
const usualDistances = 4;
/** A bucket that usually holds this many readings is missing only where there was silence. */
const fullBucket = 3;

/**
 * Where readings are missing: a straight line across a night of silence would be a lie. What is usual is the median
 * distance; one bucket that is missing counts only where buckets are usually full.
 */
export function gapsOf({ points, bucketMs }: Pick<Trace, "points" | "bucketMs">): Gap[] {
  const steps = points.slice(1).map((point, at) => point.tsMs - (points[at]?.tsMs ?? 0));
  const usual = median(steps);
  const full = bucketMs > 0 && median(points.map(({ count }) => count)) >= fullBucket;
  const limit = full ? Math.max(bucketMs, usual) * 1.5 : Math.max(bucketMs, usual) * usualDistances;
  if (limit === 0) return [];
  return steps.flatMap((step, at) => {
    const before = points[at]?.tsMs ?? 0;
    return step > limit ? [{ fromMs: before + bucketMs, toMs: before + step }] : [];
  });
}

export type TraceSummary = {
  readings: number;
  flagged: number;
  low: number;
  high: number;
  mean: number;
  last: number;
  gaps: number;
  longestGapMs: number;
};

/** What a trace comes to over the stretch shown; null if it has no numbers. The mean counts each reading once. */
export function summaryOf(trace: Trace): TraceSummary | null {
  const last = trace.points.at(-1);
  if (!last) return null;
  const gaps = gapsOf(trace);
  const summary = { readings: 0, flagged: 0, low: last.low, high: last.high, mean: 0 };
  for (const { low, high, middle, count, flagged } of trace.points) {
    summary.readings += count;
    summary.flagged += flagged;
    summary.low = Math.min(summary.low, low);
    summary.high = Math.max(summary.high, high);
    summary.mean += (middle - summary.mean) * (count / summary.readings);
  }
  const longestGapMs = gaps.reduce((longest, { fromMs, toMs }) => Math.max(longest, toMs - fromMs), 0);
  return { ...summary, last: last.middle, gaps: gaps.length, longestGapMs };
}

/** The first and last moment of any of the traces, epoch ms; null if none has a point. */
export function extentOf(traces: readonly Trace[]): { fromMs: number; toMs: number } | null {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = Number.NEGATIVE_INFINITY;
  for (const { points, texts, bucketMs } of traces) {
    const first = points[0] ?? texts[0];
    const last = points.at(-1) ?? texts.at(-1);
    if (!first || !last) continue;
    fromMs = Math.min(fromMs, first.tsMs);
    toMs = Math.max(toMs, last.tsMs + bucketMs);
  }
  return fromMs < Number.POSITIVE_INFINITY ? { fromMs, toMs } : null;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
