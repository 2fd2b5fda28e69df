import type { QueriedSeries, QueryAnswer } from "../contract.ts";
import type { Trace, TracePoint } from "./trace.ts";

const dayMs = 86_400_000;

/** The series of an answer as traces; booleans are 0 and 1, and text is kept apart: that is no line to draw. */
export function tracesOf(answer: QueryAnswer): Trace[] {
  return answer.series.map((series): Trace => {
    const about = { device: series.device_id, metric: series.metric };
    if (series.kind === "intervals") {
      const points = series.points.map(
        ({ ts, min, max, avg, count, flagged }): TracePoint => ({
          tsMs: Date.parse(ts),
          low: min,
          high: max,
          middle: avg,
          count,
          flagged,
          rules: [],
        }),
      );
      // Months differ in length: the shortest does for telling gaps and for drawing.
      const bucketMs = (series.interval_seconds ?? 0) * 1000 || 28 * dayMs;
      return { ...about, kind: "buckets", bucketMs, points, texts: [] };
    }
    return { ...about, kind: "raw", bucketMs: 0, ...readingsOf(series.points) };
  });
}

function readingsOf(read: Extract<QueriedSeries, { kind: "raw" }>["points"]): Pick<Trace, "points" | "texts"> {
  const points: TracePoint[] = [];
  const texts: Trace["texts"] = [];
  for (const { ts, value, flags = [] } of read) {
    const tsMs = Date.parse(ts);
    if (typeof value === "string") {
      texts.push({ tsMs, text: value, rules: flags });
      continue;
    }
    const height = Number(value);
    const flagged = flags.length > 0 ? 1 : 0;
    points.push({ tsMs, low: height, high: height, middle: height, count: 1, flagged, rules: flags });
  }
  return { points, texts };
}
