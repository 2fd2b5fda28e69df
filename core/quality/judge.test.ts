import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noMetrics, observe } from "../device/metrics.ts";
import type { Readings, TelemetryMessage } from "../device/telemetry.ts";
import { compileRules, defaultRules, type SchemaCheck } from "./compiled-rules.ts";
import { type JudgedTwin, judge, type Verdict } from "./judge.ts";
import { brokenPlainly, unchangedPlainly } from "./judge-reference.ts";
import { parseQualityRules, type QualityRule, type QualityRules, rulesWith } from "./rules.ts";

const nowMs = 1_800_000_000_000;
const message = (readings: Readings, tsMs = nowMs): TelemetryMessage => ({
  tsMs,
  readings,
  identity: { kind: "hash", hash: 1 },
});
const judged = (readings: Readings, tsMs = nowMs) => ({ message: message(readings, tsMs), body: { readings } });
const unknown: JudgedTwin = { metrics: noMetrics };
const knowing = (readings: Readings, tsMs: number, unchangedSince?: Record<string, number>): JudgedTwin => ({
  metrics: observe(noMetrics, readings, tsMs, tsMs),
  ...(unchangedSince !== undefined && { unchangedSince }),
});
const rules = (given: object) => {
  const parsed = parseQualityRules(given);
  if (parsed.kind === "refused") throw new Error(parsed.problems.join(" "));
  return compileRules(rulesWith(parsed.rules));
};

describe("by default", () => {
  test.each<[string, Readings, Verdict]>([
    ["a message within its ranges is accepted", { temperature: 100, humidity: 0, mode: "eco" }, { kind: "accept" }],
    [
      "impossible weather is accepted and flagged",
      { temperature: 100.1, humidity: -1 },
      { kind: "accept", flags: { temperature: ["temperature-range"], humidity: ["humidity-range"] } },
    ],
    ["a temperature in words is no business of a range", { temperature: "hot" }, { kind: "accept" }],
    ["a place on Earth is accepted", { latitude: -90, longitude: 180, lat: 47.5, lon: 9.7 }, { kind: "accept" }],
    [
      "a place that is none is put in quarantine, whatever else is right",
      { latitude: 91, lng: "west", temperature: 120 },
      {
        kind: "quarantine",
        broken: [
          { rule: "latitude", metric: "latitude" },
          { rule: "longitude", metric: "lng" },
        ],
        detail: "latitude is 91, above 90 (rule latitude); lng is a string but needs to be a number (rule longitude).",
      },
    ],
    [
      "a metric named like what every object has is like any other",
      { constructor: 1, toString: 2 },
      { kind: "accept" },
    ],
  ])("%s", (_name, readings, verdict) => {
    expect(judge(judged(readings), unknown, defaultRules, nowMs)).toEqual(verdict);
  });

  test.each([
    ["5 minutes ahead of our clock", 300_000, undefined],
    ["more than 5 minutes ahead", 300_001, { "": ["clock-skew-ahead"] }],
    ["7 days old", -7 * 86_400_000, undefined],
    ["more than 7 days old", -7 * 86_400_000 - 1, { "": ["clock-skew-behind"] }],
  ])("a message %s has the flags %j", (_name, offset, flags) => {
    const verdict = judge(judged({ a: 1 }, nowMs + offset), unknown, defaultRules, nowMs);
    expect(verdict).toEqual(flags === undefined ? { kind: "accept" } : { kind: "accept", flags });
  });
});

describe("by rules of its own", () => {
  test("a message that lacks a required metric, or has it in another type, breaks them", () => {
    const own = rules({
      needed: { kind: "required", metrics: ["pressure", "constructor"] },
      numeric: { kind: "type", metrics: ["level"], type: "number", action: "quarantine" },
    });
    expect(judge(judged({ level: 1 }), unknown, own, nowMs)).toEqual({
      kind: "accept",
      flags: { pressure: ["needed"], constructor: ["needed"] },
    });
    expect(judge(judged({ level: true, pressure: 1, constructor: 2 }), unknown, own, nowMs)).toMatchObject({
      kind: "quarantine",
      broken: [{ rule: "numeric", metric: "level" }],
    });
  });

  test("a jump is told from a step by the time between the readings", () => {
    const own = rules({ jump: { kind: "rate", metrics: ["level"], maxPerSecond: 2 } });
    const twin = knowing({ level: 10 }, nowMs - 5_000);
    expect(judge(judged({ level: 20 }), twin, own, nowMs)).toEqual({ kind: "accept" });
    expect(judge(judged({ level: 20.1 }), twin, own, nowMs)).toEqual({ kind: "accept", flags: { level: ["jump"] } });
    expect(judge(judged({ level: -0.1 }), twin, own, nowMs)).toEqual({ kind: "accept", flags: { level: ["jump"] } });
    expect(judge(judged({ level: 99 }, nowMs - 6_000), twin, own, nowMs)).toEqual({ kind: "accept" });
  });

  test("a sensor is stuck when its value has stayed for longer than the rule allows", () => {
    const own = rules({ stuck: { kind: "stuck", metrics: ["level"], forMs: 60_000 } });
    const startMs = nowMs - 61_000;
    const first = judge(judged({ level: 7 }, startMs), unknown, own, startMs);
    expect(first).toEqual({ kind: "accept", unchangedSince: { level: startMs } });
    const twin = knowing({ level: 7 }, nowMs - 1_000, { level: startMs });
    expect(judge(judged({ level: 7 }), twin, own, nowMs)).toEqual({
      kind: "accept",
      flags: { level: ["stuck"] },
      unchangedSince: { level: startMs },
    });
    expect(judge(judged({ level: 8 }), twin, own, nowMs)).toEqual({ kind: "accept", unchangedSince: { level: nowMs } });
  });

  test("a message that does not fit its schema is put in quarantine with the first problems", () => {
    const check: SchemaCheck = (body) =>
      body.readings === null ? null : ["a", "a", "b", "c"].map((metric) => ({ metric, detail: `${metric} is wrong` }));
    const own = compileRules({}, check);
    expect(judge({ message: message({ a: 1 }), body: { readings: null } }, unknown, own, nowMs)).toEqual({
      kind: "accept",
    });
    expect(judge(judged({ a: 1 }), unknown, own, nowMs)).toEqual({
      kind: "quarantine",
      broken: ["a", "b", "c"].map((metric) => ({ rule: "schema", metric })),
      detail: "a is wrong (rule schema); a is wrong (rule schema); b is wrong (rule schema); and 1 more.",
    });
  });
});

describe("whatever rules, twin and message", () => {
  test("compiled rules find what the rules say one by one, and the message stays as it was", () => {
    fc.assert(
      fc.property(anyRules, anyTwin, anyMessage, fc.integer({ min: -20, max: 20 }), (own, twin, said, offset) => {
        const before = structuredClone(said);
        const at = said.tsMs + offset;
        const verdict = judge({ message: said, body: {} }, twin, compileRules(own), at);
        expect(said).toEqual(before);
        const plain = brokenPlainly(said, twin, own, at);
        const quarantine = plain.filter(({ action }) => action === "quarantine").map(({ broken }) => broken);
        if (verdict.kind === "quarantine") {
          expect(verdict.broken.map(({ rule, metric }) => `${rule}/${metric}`).sort()).toEqual(quarantine.sort());
          return;
        }
        expect(quarantine).toEqual([]);
        const flags = Object.entries(verdict.flags ?? {}).flatMap(([metric, names]) =>
          names.map((name) => `${name}/${metric}`),
        );
        expect(flags.sort()).toEqual(plain.map(({ broken }) => broken).sort());
        expect(verdict.unchangedSince ?? {}).toEqual(unchangedPlainly(said, twin, own));
      }),
      { numRuns: 2_000 },
    );
  });
});

const metric = fc.constantFrom("a", "b", "constructor");
const small = fc.integer({ min: -5, max: 5 });
const value = fc.oneof({ weight: 5, arbitrary: small }, fc.boolean(), fc.constantFrom("", "on"), fc.constant(120));
const metrics = fc.uniqueArray(metric, { minLength: 1 });
const action = fc.constantFrom("flag" as const, "quarantine" as const, "off" as const);
const anyRule: fc.Arbitrary<QualityRule> = fc.oneof(
  fc.record({ kind: fc.constant("required" as const), metrics, action }),
  fc.record(
    { kind: fc.constant("range" as const), metrics, min: small, max: small, action },
    { requiredKeys: ["kind", "metrics", "action"] },
  ),
  fc.record({
    kind: fc.constant("type" as const),
    metrics,
    type: fc.constantFrom("number" as const, "boolean" as const, "string" as const),
    action,
  }),
  fc.record({ kind: fc.constantFrom("latitude" as const, "longitude" as const), metrics, action }),
  fc.record({ kind: fc.constant("rate" as const), metrics, maxPerSecond: fc.integer({ min: 1, max: 2_000 }), action }),
  fc.record({ kind: fc.constant("stuck" as const), metrics, forMs: fc.integer({ min: 1, max: 9 }), action }),
  fc.record({
    kind: fc.constantFrom("clockAhead" as const, "clockBehind" as const),
    maxMs: fc.integer({ min: 1, max: 9 }),
    action,
  }),
);
const anyRules: fc.Arbitrary<QualityRules> = fc.dictionary(fc.constantFrom("r1", "r2", "r3", "r4", "r5"), anyRule);
const readings = fc.dictionary(metric, value, { minKeys: 1 });
const tsMs = fc.integer({ min: 100, max: 110 });
const anyMessage: fc.Arbitrary<TelemetryMessage> = fc.record({
  tsMs,
  readings,
  identity: fc.constant({ kind: "hash" as const, hash: 1 }),
});
const anyTwin: fc.Arbitrary<JudgedTwin> = fc.record(
  {
    metrics: fc
      .array(fc.record({ readings, tsMs }), { maxLength: 3 })
      .map((all) => all.reduce((known, said) => observe(known, said.readings, said.tsMs, said.tsMs), noMetrics)),
    unchangedSince: fc.dictionary(metric, fc.integer({ min: 90, max: 100 })),
  },
  { requiredKeys: ["metrics"] },
);
