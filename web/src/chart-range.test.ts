import { expect, test } from "vitest";
import { bounds, firstRange, rangeKey } from "./chart-range.ts";

const hourMs = 3_600_000;
const now = Date.UTC(2026, 10, 21, 12);

test("a chart begins with the shortest range that holds the newest reading", () => {
  expect(firstRange(now - 60_000, now)).toEqual({ kind: "last", ms: hourMs });
  expect(firstRange(now - 3 * hourMs, now)).toEqual({ kind: "last", ms: 24 * hourMs });
  expect(firstRange(Date.UTC(2014, 1, 19), now)).toEqual({ kind: "all" });
});

test("moving ranges end now and keep their key as time goes on", () => {
  const range = { kind: "last", ms: hourMs } as const;
  expect(bounds(range, now)).toEqual({ fromMs: now - hourMs, toMs: now });
  expect(rangeKey(range)).toBe(rangeKey({ ...range }));
  expect(rangeKey({ kind: "fixed", fromMs: 1, toMs: 2 })).not.toBe(rangeKey({ kind: "fixed", fromMs: 1, toMs: 3 }));
});
