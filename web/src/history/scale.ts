import type { Line } from "./panel.ts";

/**
 * Lowest and highest of what no rule has flagged, of the lines of an axis: a sensor's nonsense would press everything
 * else flat. null: there is nothing unflagged.
 */
export function unflaggedExtent(lines: readonly Line[], axis: Line["axis"]): { low: number; high: number } | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { trace } of lines.filter((line) => line.axis === axis)) {
    for (const point of trace.points) {
      if (point.flagged > 0) continue;
      low = Math.min(low, point.low);
      high = Math.max(high, point.high);
    }
  }
  return low <= high ? { low, high } : null;
}
