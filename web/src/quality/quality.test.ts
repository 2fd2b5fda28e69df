import { describe, expect, test } from "vitest";
import { defaultQualityRules, parseQualityRules, type QualityRule } from "../../../core/quality/rules.ts";
import { type Counts, formatShare, measuresOf, messagesOf, toneOf } from "./measures.ts";
import { draftOf, emptyDraft, kinds, ruleOf } from "./rule-form.ts";
import { ruleWords } from "./rule-words.ts";

const none: Counts = {
  ...{ accepted: 0, flagged: 0, quarantined: 0, refused: 0 },
  ...{ duplicates: 0, incomplete: 0, inaccurate: 0, timely: 0 },
};

describe("measures of quality", () => {
  test("complete and accurate are shares of what was judged, timely of what was accepted", () => {
    const counts = { ...none, accepted: 90, quarantined: 10, refused: 7, incomplete: 20, inaccurate: 5, timely: 45 };
    expect(measuresOf(counts)).toEqual({ completeness: 0.8, accuracy: 0.95, timeliness: 0.5 });
    expect(messagesOf(counts)).toBe(107);
  });

  test("of nothing are not told", () => {
    expect(measuresOf(none)).toEqual({ completeness: null, accuracy: null, timeliness: null });
    expect(toneOf(null)).toBeUndefined();
  });

  test("almost all is never shown as all, and a few never as none", () => {
    expect([1, 0.999999, 0.99971, 0.955, 0.0004, 0, null].map(formatShare)).toEqual([
      "100 %",
      "99.99 %",
      "99.97 %",
      "95.5 %",
      "<0.1 %",
      "0 %",
      "–",
    ]);
  });
});

describe("a rule in words and in a form", () => {
  const rules: Record<string, QualityRule> = {
    ...defaultQualityRules,
    "pressure-there": { kind: "required", metrics: ["pressure", "flow"], action: "quarantine" },
    "speed-number": { kind: "type", metrics: ["speed"], type: "number", action: "flag" },
    "level-jump": { kind: "rate", metrics: ["level"], maxPerSecond: 2.5, action: "flag" },
    "level-stuck": { kind: "stuck", metrics: ["level"], forMs: 3_600_000, action: "off" },
    "at-least": { kind: "range", metrics: ["speed"], min: -3, action: "flag" },
  };

  test("every kind can be edited, and comes out of the form as it went in", () => {
    for (const [name, rule] of Object.entries(rules)) {
      expect(ruleOf(draftOf(name, rule))).toEqual(rule);
      expect(parseQualityRules({ [name]: ruleOf(draftOf(name, rule)) })).toEqual({
        kind: "rules",
        rules: { [name]: rule },
      });
    }
    expect(new Set(Object.values(rules).map(({ kind }) => kind))).toEqual(new Set(kinds.map(({ kind }) => kind)));
  });

  test("an empty form is refused with reasons, not sent as zero", () => {
    const parsed = parseQualityRules({ new: ruleOf(emptyDraft) });
    expect(parsed).toMatchObject({ kind: "refused" });
    expect(ruleOf({ ...emptyDraft, metrics: "a", min: "1,5", max: "x" })).toMatchObject({ min: 1.5, max: "x" });
  });

  test("says what it demands", () => {
    expect(Object.values(rules).map(ruleWords)).toEqual([
      "temperature from −50 to 100",
      "humidity from 0 to 100",
      "latitude and lat from −90 to 90",
      "longitude, lon and lng from −180 to 180",
      "the device's clock at most 5 minutes ahead",
      "a message at most 7 days old",
      "pressure and flow must be there",
      "speed must be a number",
      "level changes by at most 2.5 a second",
      "level must not stay the same for 1 hour",
      "speed at least −3",
    ]);
  });
});
