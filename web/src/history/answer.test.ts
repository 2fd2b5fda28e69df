import { describe, expect, test } from "vitest";
import type { QueriedSeries, QueryAnswer } from "../contract.ts";
import { tracesOf } from "./read-answer.ts";
import { answerWords, listed } from "./words.ts";

const ts = "2026-11-21T11:30:00.000Z";
const about = { device_id: "pump-4", metric: "temperature", downsampling: null, flagged: 0 };

function answer(...series: QueriedSeries[]): QueryAnswer {
  return { start: ts, end: ts, timezone: "UTC", aggregate: null, interval: null, series };
}

function intervals(seconds: number, more: Partial<QueriedSeries> = {}): QueriedSeries {
  const point = { ts, value: 5, avg: 5, min: 1, max: 9, stddev: 2, count: 60, flagged: 3 };
  return {
    ...about,
    sources: ["minute", "raw"],
    kind: "intervals",
    interval_seconds: seconds,
    points: [point],
    ...more,
  } as QueriedSeries;
}

function raw(...values: (number | boolean | string)[]): QueriedSeries {
  return { ...about, sources: ["raw"], kind: "raw", points: values.map((value) => ({ ts, value, flags: ["range"] })) };
}

describe("an answer as traces", () => {
  test("an interval keeps its band, and how many of its readings are flagged", () => {
    const [trace] = tracesOf(answer(intervals(60)));
    expect(trace).toMatchObject({ device: "pump-4", kind: "buckets", bucketMs: 60_000 });
    expect(trace?.points[0]).toMatchObject({ low: 1, middle: 5, high: 9, count: 60, flagged: 3 });
  });

  test("a reading keeps the rules that flagged it; true is 1; text is no line", () => {
    const [trace] = tracesOf(answer(raw(21.5, true, "eco")));
    expect(trace?.points.map(({ middle, rules }) => [middle, rules])).toEqual([
      [21.5, ["range"]],
      [1, ["range"]],
    ]);
    expect(trace?.texts).toEqual([{ tsMs: Date.parse(ts), text: "eco", rules: ["range"] }]);
  });
});

describe("an answer in words", () => {
  const day = 86_400_000;

  test("says resolution, span, series and source", () => {
    const both = answer(intervals(60), intervals(60, { device_id: "pump-5", sources: ["hour"], flagged: 1204 }));
    expect(answerWords(both, 7 * day)).toBe(
      "1-minute averages with lowest and highest · 7 days · 2 series · from 1-hour aggregates, 1-minute aggregates and readings · 1,204 flagged",
    );
  });

  test("of readings says how many there are, and how many were left out", () => {
    expect(answerWords(answer(raw(1)), day)).toBe("1 reading · 1 day · 1 series");
    const thinned = { ...raw(1, 2), downsampling: { method: "lttb" as const, from: 9_000, to: 2 } };
    expect(answerWords(answer(thinned), day)).toBe("2 of 9,000 readings · 1 day · 1 series");
    expect(answerWords(answer(), day)).toBe("");
  });

  test("lists as people do", () => {
    expect([listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])]).toEqual([
      "",
      "a",
      "a and b",
      "a, b and c",
    ]);
  });
});
