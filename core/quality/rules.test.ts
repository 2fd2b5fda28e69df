import { expect, test } from "vitest";
import { defaultQualityRules, parseQualityRules, rulesWith } from "./rules.ts";

test("a type's rule takes the place of the default of its name, and the other defaults stay", () => {
  const parsed = parseQualityRules({
    "temperature-range": { max: 1_200 },
    humidity: { kind: "type", metrics: ["humidity"], type: "number" },
  });
  expect(parsed).toEqual({
    kind: "rules",
    rules: {
      "temperature-range": { kind: "range", metrics: ["temperature"], min: -50, max: 1_200, action: "flag" },
      humidity: { kind: "type", metrics: ["humidity"], type: "number", action: "flag" },
    },
  });
  if (parsed.kind === "refused") return;
  expect(Object.keys(rulesWith(parsed.rules))).toEqual([...Object.keys(defaultQualityRules), "humidity"]);
  expect(rulesWith(parsed.rules)["temperature-range"]).toMatchObject({ max: 1_200 });
});

test("a default is put out of force by its name alone", () => {
  expect(parseQualityRules({ latitude: { action: "off" } })).toMatchObject({
    rules: { latitude: { kind: "latitude", metrics: ["latitude", "lat"], action: "off" } },
  });
});

test("a name may be given to a rule of another kind, which then says everything itself", () => {
  expect(parseQualityRules({ latitude: { kind: "range", metrics: ["latitude"], min: 47, max: 55 } })).toMatchObject({
    rules: { latitude: { kind: "range", min: 47, max: 55, action: "flag" } },
  });
  expect(parseQualityRules({ latitude: { kind: "range", min: 47 } })).toMatchObject({ kind: "refused" });
});

test("every problem is told, with its rule and value", () => {
  const parsed = parseQualityRules({
    "Too Hot": { kind: "range" },
    schema: { kind: "required", metrics: ["a"] },
    a: 7,
    b: { kind: "magic" },
    c: { metrics: ["a"] },
    d: { kind: "range", metrics: [], action: "shout" },
    e: { kind: "range", metrics: ["a"] },
    f: { kind: "range", metrics: ["a"], min: 2, max: 1 },
    g: { kind: "stuck", metrics: ["a", "a"], forMs: 0, min: 3 },
    h: { kind: "rate", metrics: ["__proto__"], maxPerSecond: -1 },
    i: { kind: "type", metrics: ["a"], type: "date" },
    constructor: { kind: "constructor" },
  });
  expect(parsed.kind === "refused" && parsed.problems).toEqual([
    'Rule "Too Hot" needs a name of 1 to 64 of a-z 0-9 _ . -, beginning with one of a-z 0-9.',
    'Rule "schema" has a name that is taken: schema and duplicate are judged without a rule.',
    'Rule "a" is 7 but needs an object with "kind" and "action".',
    expect.stringMatching(/^Rule "b" has the kind "magic"; there are required, range, type, /),
    expect.stringMatching(/^Rule "c" has the kind missing; there are /),
    'Rule "d": action is "shout" but needs one of flag, quarantine, off.',
    'Rule "d": metrics is [] but needs a list of 1 to 100 different metric names.',
    'Rule "e" needs min, max, or both.',
    'Rule "f": min is 2, above max, which is 1.',
    'Rule "g" has no field "min"; a rule of kind stuck has kind, action, metrics, forMs.',
    'Rule "g": metrics is ["a","a"] but needs a list of 1 to 100 different metric names.',
    'Rule "g": forMs is 0 but needs a whole number of milliseconds from 1 to 315360000000.',
    'Rule "h": metrics is ["__proto__"] but needs a list of 1 to 100 different metric names.',
    'Rule "h": maxPerSecond is -1 but needs a number above 0.',
    'Rule "i": type is "date" but needs one of number, boolean, string.',
    expect.stringMatching(/^Rule "constructor" has the kind "constructor"; there are /),
  ]);
});

test.each([null, [], "strict", 7])("%j are no rules", (value) => {
  expect(parseQualityRules(value)).toMatchObject({ kind: "refused", problems: [expect.stringMatching(/^Rules are/)] });
});

test("rules that were parsed are read again as they are", () => {
  expect(parseQualityRules(defaultQualityRules)).toEqual({ kind: "rules", rules: defaultQualityRules });
});
