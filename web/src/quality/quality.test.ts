import { describe, expect, test } from "vitest";
import { defaultQualityRules, parseQualityRules, type QualityRule } from "../../../core/quality/rules.ts";
import { formatShare, lowestOf, toneOf } from "./measures.ts";
import { qualityHref, readQualityView } from "./quality-view.ts";
import { trendOf } from "./report.ts";
import { changesBetween } from "./rule-changes.ts";
import { draftOf, emptyDraft, kinds, ruleOf } from "./rule-form.ts";
import { ruleWords } from "./rule-words.ts";

describe("measures of quality", () => {
  test("of nothing are not told, and not bad", () => {
    expect(toneOf(null)).toBeUndefined();
    expect(lowestOf({ completeness: null, accuracy: 0.7, timeliness: 0.9 })).toBe(0.7);
    expect(lowestOf({ completeness: null, accuracy: null, timeliness: null })).toBe(1);
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

test("the trend of a rule has a place for each interval, quiet ones too", () => {
  const report = { from: "2026-11-21T00:00:00Z", to: "2026-11-21T04:00:00Z", intervalSeconds: 3_600 };
  const points = [
    { ts: "2026-11-21T01:00:00Z", messages: 4 },
    { ts: "2026-11-21T03:00:00Z", messages: 1 },
    { ts: "2026-11-22T03:00:00Z", messages: 9 },
  ];
  expect(trendOf({ points }, report)).toEqual([0, 4, 0, 1]);
});

test("the view of quality lives in the address", () => {
  const href = "/quality?type=pump&region=eu&rule=latitude&last=7d";
  expect(qualityHref(readQualityView(href.slice(href.indexOf("?"))))).toBe(href);
  expect(qualityHref(readQualityView(""))).toBe("/quality");
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

  test("what someone else changed is told rule by rule, whatever the order of its fields", () => {
    const before: Record<string, QualityRule> = {
      a: { kind: "range", metrics: ["speed"], max: 3, action: "flag" },
      b: { kind: "required", metrics: ["flow"], action: "flag" },
      c: { kind: "latitude", metrics: ["lat"], action: "off" },
    };
    const now: Record<string, QualityRule> = {
      d: { kind: "type", metrics: ["level"], type: "number", action: "quarantine" },
      c: { action: "off", metrics: ["lat"], kind: "latitude" },
      a: { kind: "range", metrics: ["speed"], max: 4, action: "flag" },
    };
    expect(changesBetween(before, now)).toEqual([
      { name: "d", before: null, now: "level must be a number: quarantine" },
      { name: "a", before: "speed at most 3: flag", now: "speed at most 4: flag" },
      { name: "b", before: "flow must be there: flag", now: null },
    ]);
    expect(changesBetween(now, now)).toEqual([]);
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
