import { describe, expect, test } from "vitest";
import { columnsOf, pointAt } from "./columns.ts";
import type { Trace } from "./trace.ts";

const startMs = Date.UTC(2026, 10, 21);

/** Points at these seconds; each as high as its second. */
function trace(seconds: number[], bucketMs = 0): Trace {
  const points = seconds.map((second) => ({
    tsMs: startMs + second * 1000,
    low: second - 1,
    high: second + 1,
    middle: second,
    count: 10,
    flagged: 0,
    rules: [],
  }));
  return { device: "d", metric: "m", kind: bucketMs > 0 ? "buckets" : "raw", bucketMs, points, texts: [] };
}

describe("a trace as columns", () => {
  test("breaks the line in a gap, between the readings around it", () => {
    const { times, middle, band } = columnsOf(trace([0, 1, 2, 20, 21]));
    expect(middle).toEqual([0, 1, 2, null, 20, 21]);
    expect(times.map((time) => time - startMs / 1000)).toEqual([0, 1, 2, 11, 20, 21]);
    expect(band).toBeNull();
  });

  test("draws buckets in their middle, with a band that breaks with the line", () => {
    const { times, band } = columnsOf(trace([0, 10, 20, 40], 10_000));
    expect(times.map((time) => time - startMs / 1000)).toEqual([5, 15, 25, 35, 45]);
    expect(band).toEqual({ low: [-1, 9, 19, null, 39], high: [1, 11, 21, null, 41] });
  });

  test("of nothing are empty", () => expect(columnsOf(trace([])).times).toEqual([]));
});

describe("the point at a moment", () => {
  const at = (seconds: number) => startMs + seconds * 1000;

  test("is the nearest reading, and none where that is far away", () => {
    expect(pointAt(trace([0, 10]), at(4), 5_000)?.middle).toBe(0);
    expect(pointAt(trace([0, 10]), at(6), 5_000)?.middle).toBe(10);
    expect(pointAt(trace([0, 100]), at(50), 5_000)).toBeNull();
    expect(pointAt(trace([]), at(50), 5_000)).toBeNull();
  });

  test("is the bucket that holds it, up to its end", () => {
    const buckets = trace([0, 10, 40], 10_000);
    expect(pointAt(buckets, at(9.9), 0)?.middle).toBe(0);
    expect(pointAt(buckets, at(10), 0)?.middle).toBe(10);
    expect(pointAt(buckets, at(25), 0)).toBeNull();
  });
});
