import { expect, test } from "vitest";
import { openDisplay, paceOf } from "./bar.ts";

test("the pace counts from the beginning of this run, and says how long the rest takes", () => {
  const first = { atMs: 1_000, done: 500 };
  expect(paceOf({ total: 2_000, done: 500 }, first, 1_000)).toEqual({ rate: "0", eta: "?" });
  expect(paceOf({ total: 2_000, done: 600 }, first, 2_000)).toEqual({ rate: "100", eta: "14 s" });
  expect(paceOf({ total: 1_000_600, done: 600 }, first, 2_000)).toEqual({ rate: "100", eta: "2 h 46 min" });
  expect(paceOf({ total: 600, done: 600 }, first, 2_000)).toEqual({ rate: "100", eta: "0 s" });
});

test("off a terminal it writes a line every five seconds, and one at the end", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const display = openDisplay({ terminal: false, write: (line) => lines.push(line), now: () => nowMs });
  for (let done = 0; done <= 1_000; done += 100) {
    display.show({ total: 1_000, done });
    nowMs += 1_000;
  }
  display.end();
  expect(lines).toEqual([
    "0% | 0 of 1000 records | 0/s | ? left\n",
    "50% | 500 of 1000 records | 100/s | 5 s left\n",
    "100% | 1000 of 1000 records | 100/s | 0 s left\n",
  ]);
});
