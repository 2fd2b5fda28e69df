import type { FlaggedPoint, IntervalPoint, QueriedSeries, QueryAnswer } from "../src/contract.ts";
import { measure, metrics } from "./fleet.ts";

/** Made-up answers of `GET /v1/query`: 26 days of readings, with nights of silence and readings that were flagged. */
const everyMs = 10_000;
const dayMs = 86_400_000;

export function queryAnswer(query: URLSearchParams, nowMs: number): QueryAnswer {
  const startMs = Date.parse(query.get("start") ?? "");
  const endMs = Date.parse(query.get("end") ?? "");
  const maxPoints = Number(query.get("max_points") ?? 1_000);
  const series = query
    .getAll("device_id")
    .flatMap((device) =>
      query.getAll("metric").map((metric) => seriesOf(device, metric, startMs, endMs, maxPoints, nowMs)),
    );
  const iso = (ms: number) => new Date(ms).toISOString();
  const timezone = query.get("timezone") ?? "UTC";
  return { start: iso(startMs), end: iso(endMs), timezone, aggregate: null, interval: null, series };
}

function seriesOf(
  device: string,
  metric: string,
  startMs: number,
  endMs: number,
  maxPoints: number,
  nowMs: number,
): QueriedSeries {
  const about = { device_id: device, metric, downsampling: null };
  if (!metrics.includes(metric)) return { ...about, sources: [], flagged: 0, kind: "raw", points: [] };
  const firstMs = Math.ceil(Math.max(startMs, nowMs - 26 * dayMs) / everyMs) * everyMs;
  const lastMs = Math.min(endMs, nowMs);
  const shift = device.length * 977 + Number(device.slice(-5)) * 1_234_567;
  const at = (ms: number): FlaggedPoint | null => {
    if (silent(ms + shift)) return null;
    const flags = Math.floor((ms + shift) / everyMs) % 997 < 2 ? ["range", "rate of change"] : undefined;
    const value = measure(metric, ms + shift);
    const height = typeof value === "number" && flags ? value * 1.6 : value;
    return { ts: new Date(ms).toISOString(), value: height, ...(flags && { flags }) };
  };
  if ((lastMs - firstMs) / everyMs <= maxPoints || typeof measure(metric, firstMs) !== "number") {
    const points: FlaggedPoint[] = [];
    const text = typeof measure(metric, firstMs) !== "number" ? Math.max(everyMs, (lastMs - firstMs) / 2_000) : everyMs;
    for (let ms = firstMs; ms < lastMs; ms += text) {
      const point = at(ms);
      if (point) points.push(point);
    }
    const flagged = points.filter(({ flags }) => flags).length;
    return { ...about, sources: ["raw"], flagged, kind: "raw", points };
  }
  const seconds = [60, 300, 900, 1_800, 3_600, 10_800, 21_600, 86_400].find(
    (s) => (lastMs - firstMs) / 1000 / s < maxPoints,
  );
  const widthMs = (seconds ?? 28 * 86_400) * 1000;
  const points: IntervalPoint[] = [];
  for (let ms = Math.floor(firstMs / widthMs) * widthMs; ms < lastMs; ms += widthMs) {
    const found = Array.from({ length: 12 }, (_, n) => at(Math.round(ms + (n * widthMs) / 12))).filter(
      (one) => one !== null,
    );
    if (found.length === 0) continue;
    const values = found.map(({ value }) => Number(value));
    const avg = values.reduce((a, b) => a + b, 0) / values.length;
    const count = Math.round((widthMs / everyMs) * (found.length / 12));
    const flagged = Math.ceil(count * (found.filter(({ flags }) => flags).length / found.length));
    const [min, max] = [Math.min(...values), Math.max(...values)];
    points.push({ ts: new Date(ms).toISOString(), value: avg, avg, min, max, stddev: (max - min) / 4, count, flagged });
  }
  const flagged = points.reduce((sum, one) => sum + one.flagged, 0);
  const from = points.reduce((sum, one) => sum + one.count, 0);
  return {
    ...about,
    sources: widthMs >= 3_600_000 ? ["hour", "raw"] : ["minute", "raw"],
    downsampling: { method: "minmax", from, to: points.length },
    flagged,
    kind: "intervals",
    interval_seconds: widthMs / 1000,
    points,
  };
}

/** Half an hour every nine, and a day in eleven. */
function silent(ms: number): boolean {
  return ms % (9 * 3_600_000) < 1_800_000 || ms % (11 * dayMs) < dayMs;
}
