import { expect, test } from "vitest";
import { Waits } from "./outage-fleet.ts";
import { outages } from "./outage-kinds.ts";

test("the longest wait is of what has ended, and what has not is told apart", () => {
  let nowMs = 100;
  const waits = new Waits(() => nowMs);
  waits.begin("a");
  nowMs = 130;
  waits.begin("b");
  nowMs = 150;
  waits.end("a");
  waits.end("a");
  waits.end("never begun");
  expect([waits.longestMs, waits.newestBegunMs, waits.open(), waits.open(130)]).toEqual([50, 100, 1, 0]);
  nowMs = 400;
  waits.end("b");
  expect([waits.longestMs, waits.newestBegunMs, waits.open()]).toEqual([270, 130, 0]);
});

test("each outage has a name of its own", () => {
  const names = outages.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
