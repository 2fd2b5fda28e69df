import fc from "fast-check";
import { expect, test } from "vitest";
import {
  entries,
  latestOf,
  type MetricState,
  type Metrics,
  metricNames,
  metricsFromJson,
  metricsToJson,
  noMetrics,
  observe,
  standardDeviation,
} from "./metrics.ts";
import type { Readings, ReadingValue } from "./telemetry.ts";

test("a metric shows its newest value and the statistics of its numbers", () => {
  const metrics = [2, 4, 4, 4, 5, 5, 7, 9].reduce(
    (all, t, index) => observe(all, { t }, index, 100 + index),
    noMetrics,
  );
  const state = latestOf(metrics, "t")!;
  expect(state).toMatchObject({ value: 9, tsMs: 7, receivedAtMs: 107, count: 8, mean: 5, min: 2, max: 9 });
  expect(standardDeviation(state)).toBeCloseTo(2);
});

test("a metric that nobody has sent is not there, even one named after something that every object has", () => {
  const metrics = observe(noMetrics, { t: 1 }, 1, 1);
  expect(["t", "u", "constructor"].map((name) => latestOf(metrics, name)?.value)).toEqual([1, undefined, undefined]);
});

test("a metric may change between numbers and words", () => {
  const values: ReadingValue[] = [1, "eco", 2, true, false, ""];
  let metrics = observe(noMetrics, { first: 0 }, 0, 0);
  for (const [index, mode] of values.entries()) {
    metrics = observe(metrics, { mode }, index, index);
    expect(latestOf(metrics, "mode")?.value).toBe(mode);
  }
  expect(latestOf(metrics, "mode")).toMatchObject({ count: 2, mean: 1.5 });
  expect(latestOf(metrics, "first")?.value).toBe(0);
});

test("twins that send the same metrics share one list of their names", () => {
  const both = observe(noMetrics, { t: 1, h: 2 }, 1, 1);
  const oneByOne = observe(observe(noMetrics, { t: 1 }, 1, 1), { h: 2 }, 1, 1);
  expect(metricNames(oneByOne)).toBe(metricNames(both));
  expect(metricNames(metricsFromJson(metricsToJson(both, 5), 5))).toBe(metricNames(both));
});

test("whatever is observed, the packed metrics say what plain records would, and stay as they were", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
      let packed = noMetrics;
      let plain: Plain = new Map();
      const steps: { packed: Metrics; plain: Plain }[] = [];
      for (const { readings, tsMs, receivedAtMs } of messages) {
        packed = observe(packed, readings, tsMs, receivedAtMs);
        plain = plainlyObserved(plain, readings, tsMs, receivedAtMs);
        steps.push({ packed, plain });
      }
      for (const step of steps) {
        expect(entries(step.packed)).toEqual([...step.plain]);
        expect(metricNames(step.packed)).toEqual([...step.plain.keys()]);
        for (const [name, state] of step.plain) expect(latestOf(step.packed, name)).toEqual(state);
        const text = JSON.stringify(metricsToJson(step.packed, 1_000));
        expect(metricsFromJson(JSON.parse(text), 1_000)).toEqual(step.packed);
      }
    }),
  );
});

const name = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom("a", "b", "constructor", "7") }, // Few, so that some messages have them all.
  fc.stringMatching(/^[a-z]{1,3}$/),
);
const number = fc
  .oneof(fc.integer({ min: -9, max: 9 }), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((value) => value + 0 || 0); // JSON has no −0.
const message = fc.record({
  readings: fc.dictionary(name, fc.oneof({ weight: 3, arbitrary: number }, fc.boolean(), fc.string({ maxLength: 3 })), {
    minKeys: 1,
    maxKeys: 6,
  }),
  tsMs: fc.nat(100),
  receivedAtMs: fc.maxSafeNat(),
});

type Plain = ReadonlyMap<string, MetricState>;

/** The same without packing. */
function plainlyObserved(plain: Plain, readings: Readings, tsMs: number, receivedAtMs: number): Plain {
  const after = new Map(plain);
  for (const [name, value] of Object.entries(readings)) {
    const before = after.get(name) ?? { value, tsMs, receivedAtMs, count: 0, mean: 0, m2: 0, min: 0, max: 0 };
    const latest = tsMs >= before.tsMs ? { value, tsMs, receivedAtMs } : {};
    after.set(name, { ...before, ...latest, ...(typeof value === "number" ? counted(before, value) : {}) });
  }
  return after;
}

function counted(before: MetricState, value: number): Partial<MetricState> {
  const count = before.count + 1;
  const difference = value - before.mean;
  const mean = before.mean + difference / count;
  return {
    count,
    mean,
    m2: before.m2 + difference * (value - mean),
    min: before.count === 0 ? value : Math.min(before.min, value),
    max: before.count === 0 ? value : Math.max(before.max, value),
  };
}
