import fc from "fast-check";
import { expect, test } from "vitest";
import { lttb, minMaxAverage } from "./downsample.ts";
import { statsOf } from "./stats.ts";

type Point = { x: number; y: number };
const chosen = (points: readonly Point[], atMost: number) =>
  lttb(
    points,
    atMost,
    (point) => point.x,
    (point) => point.y,
  );
const someTimes = fc.uniqueArray(fc.nat(100_000), { maxLength: 300 }).map((times) => times.sort((a, b) => a - b));
const somePoints = someTimes.chain((times) =>
  fc.tuple(...times.map((x) => fc.integer({ min: -50, max: 50 }).map((y): Point => ({ x, y })))),
);

test("LTTB keeps the ends, no more than asked for, in order and of the points that there are", () => {
  fc.assert(
    fc.property(somePoints, fc.integer({ min: 2, max: 50 }), (points, atMost) => {
      const kept = chosen(points, atMost);
      expect(kept).toHaveLength(Math.min(points.length, atMost));
      expect(kept[0]).toBe(points[0]);
      expect(kept.at(-1)).toBe(points.at(-1));
      const places = kept.map((point) => points.indexOf(point));
      expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
    }),
  );
});

test("LTTB keeps a spike", () => {
  const points = Array.from({ length: 1_000 }, (_, x) => ({ x, y: x === 503 ? 100 : 0 }));
  expect(chosen(points, 20)).toContainEqual({ x: 503, y: 100 });
});

test("min-max-average loses no reading, no least and no largest value", () => {
  fc.assert(
    fc.property(somePoints, fc.integer({ min: 1, max: 40 }), (points, atMost) => {
      const buckets = points.map(({ x, y }) => ({ tsMs: x, ...statsOf(y, y > 40) }));
      const fewer = minMaxAverage(buckets, atMost);
      expect(fewer.length).toBeLessThanOrEqual(atMost);
      const of = (pick: (bucket: (typeof buckets)[number]) => number) => [
        buckets.map(pick).reduce((a, b) => a + b, 0),
        fewer.map(pick).reduce((a, b) => a + b, 0),
      ];
      for (const [expected, found] of [of((b) => b.count), of((b) => b.flagged)]) expect(found).toBe(expected);
      const [sum, kept] = of((b) => b.mean * b.count);
      expect(kept).toBeCloseTo(sum!, 6);
      if (buckets.length === 0) return;
      expect(fewer[0]!.tsMs).toBe(buckets[0]!.tsMs);
      expect(Math.min(...fewer.map((b) => b.min))).toBe(Math.min(...buckets.map((b) => b.min)));
      expect(Math.max(...fewer.map((b) => b.max))).toBe(Math.max(...buckets.map((b) => b.max)));
    }),
  );
});
