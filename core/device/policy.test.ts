import { expect, test } from "vitest";
import { defaultPolicy, parsePolicy, policyWith } from "./policy.ts";

test("numbers that are given override the defaults, the others stay", () => {
  const parsed = parsePolicy({ silenceMs: 3_600_000, flapEdges: 4 });
  expect(parsed).toEqual({ kind: "policy", policy: { silenceMs: 3_600_000, flapEdges: 4 } });
  expect(policyWith({ silenceMs: 3_600_000 })).toEqual({ ...defaultPolicy, silenceMs: 3_600_000 });
  expect(policyWith(undefined)).toEqual(defaultPolicy);
});

test("the defaults are a policy that would be accepted", () => {
  expect(parsePolicy(defaultPolicy)).toEqual({ kind: "policy", policy: defaultPolicy });
  expect(parsePolicy({})).toEqual({ kind: "policy", policy: {} });
});

test("every problem is told at once, with the value and what is needed", () => {
  const parsed = parsePolicy({
    silenceMs: 0,
    graceMs: "3s",
    flapEdges: 101,
    silence: 5,
    steadyMs: 1.5,
    flapWindowMs: null,
  });
  expect(parsed.kind === "refused" && parsed.problems).toEqual([
    "silenceMs is 0 but needs a whole number from 1 to 31536000000.",
    'graceMs is "3s" but needs a whole number from 1 to 31536000000.',
    "flapEdges is 101 but needs a whole number from 1 to 100.",
    expect.stringMatching(/^"silence" is no number of a policy; there are silenceMs, graceMs, /),
    "steadyMs is 1.5 but needs a whole number from 1 to 31536000000.",
    "flapWindowMs is null but needs a whole number from 1 to 31536000000.",
  ]);
});

test.each([null, [], "60000", 5, undefined])("%j is no policy", (value) => {
  expect(parsePolicy(value).kind).toBe("refused");
});

test("a name that every object has is refused like any other", () => {
  expect(parsePolicy(JSON.parse('{"constructor": 1, "__proto__": 2}'))).toMatchObject({
    kind: "refused",
    problems: { length: 2 },
  });
});
