import { expect, test } from "vitest";
import { seeded } from "../../simulator/random.ts";
import { faultKinds, planDistributedFaults } from "./distributed-plan.ts";

const options = { seconds: 100, shortestPauseMs: 3_000, longestPauseMs: 12_000 };
const plan = (seed: number, count: number) => planDistributedFaults(seeded(seed, "faults"), { ...options, count });

test("a run has each kind of fault once and by itself, before any comes again", () => {
  const faults = plan(1, faultKinds.length + 10);
  const first = faults.slice(0, faultKinds.length);
  expect(new Set(first.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
  expect(first.some(({ overlaps }) => overlaps)).toBe(false);
  expect(faults.some(({ overlaps }) => overlaps)).toBe(true);
});

test("the same seed has the same faults, another one others", () => {
  expect(plan(1, 20)).toEqual(plan(1, 20));
  expect(plan(1, 20)).not.toEqual(plan(2, 20));
});
