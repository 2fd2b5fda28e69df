import { describe, expect, test } from "vitest";
import {
  formatAgo,
  formatDuration,
  formatJson,
  formatLocal,
  formatNumber,
  formatUtc,
  formatWords,
  toLocalInput,
} from "./format.ts";

const noon = new Date(2026, 10, 21, 12, 0, 0).getTime();

describe("numbers", () => {
  test.each([
    [12345, "12,345"],
    [21.53719, "21.54"],
    [1013.27, "1,013.3"],
    [0.001234, "0.001234"],
    [-67, "−67"],
    [-0.5, "−0.5"],
    [0, "0"],
    [1.5e12 + 0.5, "1.500e+12"],
    [0.00000042, "4.200e−7"],
    [Number.NaN, "–"],
  ])("%d is written %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});

describe("times", () => {
  test("a moment of today shows its seconds, one of another year its year", () => {
    expect(formatLocal(new Date(2026, 10, 21, 9, 5, 7).getTime(), noon)).toBe("09:05:07");
    expect(formatLocal(new Date(2026, 2, 3, 9, 5, 7).getTime(), noon)).toBe("3 Mar 09:05");
    expect(formatLocal(new Date(2013, 6, 4, 0, 0, 0).getTime(), noon)).toBe("4 Jul 2013 00:00");
  });

  test("UTC is exact", () => {
    expect(formatUtc(Date.UTC(2026, 10, 21, 14, 3, 22, 123))).toBe("2026-11-21 14:03:22.123 UTC");
  });

  test("distances use the largest unit that says enough", () => {
    expect([400, 12_000, 300_000, 7_200_000, 47 * 3_600_000, 72 * 3_600_000].map(formatDuration)).toEqual([
      "now",
      "12 s",
      "5 min",
      "2 h",
      "47 h",
      "3 d",
    ]);
  });

  test("a clock that is a little ahead is not the future", () => {
    expect(formatAgo(noon + 2000, noon)).toBe("now");
    expect(formatAgo(noon + 300_000, noon)).toBe("in 5 min");
    expect(formatAgo(noon - 61_000, noon)).toBe("1 min ago");
  });

  test("what a time field shows is read back as the same minute", () => {
    expect(new Date(toLocalInput(noon)).getTime()).toBe(noon);
  });
});

test("a code's words are told apart", () => {
  expect(formatWords("deadLettered")).toBe("dead lettered");
  expect(formatWords("malformed-json")).toBe("malformed JSON");
  expect(formatWords("not-utf8")).toBe("not UTF-8");
  expect(formatWords("signal_strength")).toBe("signal strength");
});

test("JSON on one line is exact and can wrap", () => {
  expect(formatJson({ a: [1, "x", null], b: {} })).toBe('{"a": [1, "x", null], "b": {}}');
  expect(formatJson(183442)).toBe("183442");
  expect(formatJson(undefined)).toBe("");
});
