import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { extentOf, gapsOf, summaryOf, type Trace, type TracePoint } from "./trace.ts";

const startMs = Date.UTC(2026, 10, 21);

function reading(tsMs: number, value: number, more: Partial<TracePoint> = {}): TracePoint {
  return { tsMs, low: value, high: value, middle: value, count: 1, flagged: 0, rules: [], ...more };
}

function trace(points: TracePoint[], bucketMs = 0): Trace {
  return { device: "d", metric: "m", kind: bucketMs > 0 ? "buckets" : "raw", bucketMs, points, texts: [] };
}

/** Points at these multiples of `everyMs`. */
function at(everyMs: number, places: number[], count = 1): TracePoint[] {
  return places.map((place) => reading(startMs + place * everyMs, place, { count }));
}

describe("gaps", () => {
  test("a silence of a few usual intervals is a gap, jitter is none", () => {
    const jitter = [0, 1, 2.4, 3, 4.9, 6, 7, 8];
    expect(gapsOf(trace(at(1000, jitter)))).toEqual([]);
    const [gap] = gapsOf(trace(at(1000, [...jitter, 20, 21])));
    expect(gap).toEqual({ fromMs: startMs + 8_000, toMs: startMs + 20_000 });
  });

  test("one missing bucket of a busy metric is a gap, since every bucket should hold readings", () => {
    const found = gapsOf(trace(at(60_000, [0, 1, 2, 4, 5], 12), 60_000));
    expect(found).toEqual([{ fromMs: startMs + 3 * 60_000, toMs: startMs + 4 * 60_000 }]);
  });

  test("buckets of a metric that comes now and then are not torn apart", () => {
    expect(gapsOf(trace(at(60_000, [0, 5, 10, 16, 20], 1), 60_000))).toEqual([]);
  });

  test("a metric that comes every five minutes, in full minutes of several readings, is not torn apart", () => {
    expect(gapsOf(trace(at(60_000, [0, 5, 10, 15, 20], 5), 60_000))).toEqual([]);
  });

  test("one reading, none, and readings of one moment have no gap", () => {
    expect(gapsOf(trace([]))).toEqual([]);
    expect(gapsOf(trace(at(1000, [1])))).toEqual([]);
    expect(gapsOf(trace(at(1000, [1, 1, 1])))).toEqual([]);
  });

  test("lie between points, in order, and hold no point", () => {
    const places = fc
      .uniqueArray(fc.integer({ min: 0, max: 5_000 }), { minLength: 2 })
      .map((list) => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(places, fc.constantFrom(0, 1000), (list, bucketMs) => {
        const points = at(1000, list);
        for (const { fromMs, toMs } of gapsOf(trace(points, bucketMs))) {
          expect(fromMs).toBeLessThan(toMs);
          expect(points.some(({ tsMs }) => tsMs > fromMs && tsMs < toMs)).toBe(false);
          expect(points.some(({ tsMs }) => tsMs === toMs)).toBe(true);
        }
      }),
    );
  });
});

describe("the summary of a trace", () => {
  test("counts every reading once, whatever bucket it is in", () => {
    const points = [
      { ...reading(startMs, 10, { count: 9 }), low: 4, high: 12 },
      { ...reading(startMs + 1000, 20, { count: 1, flagged: 1 }) },
    ];
    expect(summaryOf(trace(points, 1000))).toEqual({
      readings: 10,
      flagged: 1,
      low: 4,
      high: 20,
      mean: 11,
      last: 20,
      gaps: 0,
      longestGapMs: 0,
    });
    expect(summaryOf(trace([]))).toBeNull();
  });

  test("the extent is that of all traces together, to the end of the last bucket", () => {
    const traces = [trace(at(1000, [3, 4])), trace([]), trace(at(1000, [1], 5), 1000)];
    expect(extentOf(traces)).toEqual({ fromMs: startMs + 1000, toMs: startMs + 4000 });
    expect(extentOf([])).toBeNull();
  });
});
