import { describe, expect, test } from "vitest";
import { appended, chartColumns, extent } from "./chart-columns.ts";
import type { History } from "./contract.ts";

const start = Date.UTC(2026, 10, 21, 12);
const at = (seconds: number) => new Date(start + seconds * 1000).toISOString();
const head = { metric: "temperature", from: at(0), to: at(3600) };

function raw(...points: [seconds: number, value: number | boolean | string][]): History {
  return { ...head, kind: "raw", points: points.map(([seconds, value]) => ({ ts: at(seconds), value })) };
}
function buckets(...points: [seconds: number, count: number, avg: number, min: number, max: number][]): History {
  return {
    ...head,
    kind: "buckets",
    bucketSeconds: 60,
    points: points.map(([seconds, count, avg, min, max]) => ({ ts: at(seconds), count, avg, min, max })),
  };
}

describe("columns", () => {
  test("raw readings are one line, with times in seconds", () => {
    expect(chartColumns(raw([0, 20], [10, 21.5]))).toMatchObject({
      times: [start / 1000, start / 1000 + 10],
      middle: [20, 21.5],
      banded: false,
    });
  });

  test("buckets are a band from lowest to highest around the average", () => {
    expect(chartColumns(buckets([0, 6, 20, 18, 23], [60, 6, 21, 19, 24]))).toMatchObject({
      low: [18, 19],
      high: [23, 24],
      middle: [20, 21],
      banded: true,
    });
  });

  test("a long silence breaks the line", () => {
    const columns = chartColumns(raw([0, 1], [10, 1], [20, 1], [30, 1], [600, 2], [610, 2]));
    expect(columns?.middle).toEqual([1, 1, 1, 1, null, 2, 2]);
    expect(columns?.times[4]).toBe(start / 1000 + 315);
  });

  test("buckets finer than the readings do not break the line at each of them", () => {
    const columns = chartColumns(buckets([0, 1, 20, 20, 20], [600, 1, 21, 21, 21], [1200, 1, 22, 22, 22]));
    expect(columns?.middle).toEqual([20, 21, 22]);
  });

  test("yes and no are drawn as 1 and 0, text is not drawn", () => {
    expect(chartColumns(raw([0, true], [10, false]))?.middle).toEqual([1, 0]);
    expect(chartColumns(raw([0, "eco"]))).toBeNull();
  });
});

describe("a live reading", () => {
  test("goes to the end of raw readings", () => {
    expect(appended(raw([0, 20]), start + 10_000, 21).points).toEqual(raw([0, 20], [10, 21]).points);
  });

  test("that is late or already there changes nothing", () => {
    const history = raw([0, 20], [10, 21]);
    expect(appended(history, start + 10_000, 21)).toBe(history);
    expect(appended(history, start + 5_000, 99)).toBe(history);
  });

  test("counts into the last bucket's average, lowest and highest", () => {
    expect(appended(buckets([0, 3, 20, 18, 22]), start + 30_000, 24).points).toEqual(
      buckets([0, 4, 21, 18, 24]).points,
    );
  });

  test("after the last bucket opens the bucket it belongs to, on the same grid", () => {
    expect(appended(buckets([0, 3, 20, 18, 22]), start + 150_000, 24).points.at(-1)).toEqual({
      ts: at(120),
      count: 1,
      avg: 24,
      min: 24,
      max: 24,
    });
  });
});

test("the extent of buckets holds the last bucket whole", () => {
  expect(extent(buckets([0, 1, 1, 1, 1], [60, 1, 1, 1, 1]))).toEqual({ fromMs: start, toMs: start + 120_000 });
  expect(extent(raw())).toBeNull();
});
