/** `query`, put together from what the port has beside it. Goes when nobody asks it any more. */
import { bucketGrid } from "../../core/history/buckets.ts";
import type { SeriesAnswer, SeriesQuery, TimeSeries } from "./port.ts";

/** The range's readings, or buckets of them if they are more than `maxPoints`; of many strings the newest. */
export async function rawAnswer(
  series: Pick<TimeSeries, "count" | "readings" | "buckets"> & { ends(query: SeriesQuery): Promise<[number, number]> },
  query: SeriesQuery,
): Promise<SeriesAnswer> {
  const { maxPoints } = query;
  if ((await series.count(query, maxPoints + 1)) > maxPoints) {
    // The grid fits the readings, not the range that was asked for: "everything" still shows their shape.
    const [first, last] = await series.ends(query);
    const grid = bucketGrid(first, last, maxPoints);
    const buckets = await series.buckets(query, grid);
    const points = buckets.map(({ tsMs, count, mean, min, max }) => ({ tsMs, count, avg: mean, min, max }));
    if (points.length > 0) return { kind: "buckets", bucketMs: grid.widthMs, points };
  }
  const readings = await series.readings(query, maxPoints);
  return { kind: "raw", points: readings.map(({ tsMs, value }) => ({ tsMs, value })) };
}
