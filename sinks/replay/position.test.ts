import { expect, test } from "vitest";
import { type PlacedPartition, positionOf, rangesOf } from "./position.ts";

const words = { from: "A", to: "B" };

function kept(low: number, end: number, at = low): PlacedPartition {
  return { partition: "", low, end, offsetAt: () => at };
}

test("a position is a word, an offset, or a time that means the same everywhere", () => {
  expect(positionOf("earliest")).toEqual({ kind: "earliest" });
  expect(positionOf("2026")).toEqual({ kind: "offset", offset: 2026 });
  expect(positionOf("2026-11-21")).toEqual({ kind: "time", atMs: Date.UTC(2026, 10, 21) });
  expect(positionOf("2026-11-21T12:00:00+01:00")).toEqual({ kind: "time", atMs: Date.UTC(2026, 10, 21, 11) });
  for (const text of ["", "yesterday", "2026-11-21T12:00:00", "2026-13-01", "-5", "1.5", "9".repeat(20)])
    expect(positionOf(text), text).toBeNull();
});

test("a range is within what the log keeps, or refused", () => {
  const [earliest, latest] = [positionOf("earliest")!, positionOf("latest")!];
  const offset = (value: number) => ({ kind: "offset", offset: value }) as const;
  expect(rangesOf([kept(5, 20)], earliest, latest, words)).toEqual([{ partition: "", from: 5, to: 20, end: 20 }]);
  expect(rangesOf([kept(0, 20)], offset(7), offset(9), words)).toEqual([{ partition: "", from: 7, to: 9, end: 20 }]);
  expect(() => rangesOf([kept(5, 20)], offset(4), latest, words)).toThrow("the log begins at offset 5");
  expect(() => rangesOf([kept(0, 20)], offset(4), offset(21), words)).toThrow("ends at offset 20");
  expect(() => rangesOf([kept(0, 20)], offset(9), offset(7), words)).toThrow("they are swapped");
});

test("a time from before what is kept is refused only where something was trimmed", () => {
  const time = positionOf("2026-11-21")!;
  const latest = positionOf("latest")!;
  expect(rangesOf([kept(0, 20)], time, latest, words)).toMatchObject([{ from: 0, to: 20 }]);
  expect(rangesOf([kept(5, 20, 6)], time, latest, words)).toMatchObject([{ from: 6, to: 20 }]);
  expect(() => rangesOf([kept(5, 20)], time, latest, words)).toThrow("--from earliest");
});
