import { describe, expect, test } from "vitest";
import { letterQuery, readLetterFilter } from "./letter-filter.ts";
import { brokenRules, canBeSent, reasonWords, resendWords } from "./outcome.ts";
import { correctionOf, firstOf, prettyPayload } from "./payload.ts";

describe("the payload of a dead letter", () => {
  test("is laid out where it is JSON, and left alone where it is not", () => {
    expect(prettyPayload('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(prettyPayload('{"a":1')).toBe('{"a":1');
    expect(firstOf('{"a":1,\n"b":2}', 99)).toBe('{"a": 1, "b": 2}');
    expect(firstOf("x".repeat(20), 10)).toBe(`${"x".repeat(9)}…`);
  });

  test("keeps numbers that JavaScript cannot hold as they were sent", () => {
    const big = '{"seq":12345678901234567890,"ts":1800000000000}';
    expect(prettyPayload(big)).toBe(big);
    expect(correctionOf("{}", big)).toEqual({ kind: "corrected", payload: big });
  });

  test("that is only laid out is not corrected; a change is sent without the layout", () => {
    expect(correctionOf('{"a":1}', '{\n  "a": 1\n}')).toEqual({ kind: "unchanged" });
    expect(correctionOf('{"a":1}', '{\n  "a": 2\n}')).toEqual({ kind: "corrected", payload: '{"a":2}' });
  });

  test("that is no JSON any more says where", () => {
    expect(correctionOf('{"a":1}', '{"a":}')).toMatchObject({
      kind: "broken",
      message: expect.stringContaining("column 6"),
    });
    expect(correctionOf('{"a":1}', " ")).toMatchObject({ kind: "broken" });
  });

  test("that came broken can be sent as it came", () => {
    expect(correctionOf('{"a":', '{"a":')).toEqual({ kind: "unchanged" });
  });
});

describe("what came of sending again", () => {
  const resend = {
    state: "sent" as const,
    by: "anyone",
    at: "2026-11-21T12:00:00Z",
    corrected: true,
    tries: 1,
    detail: "In words.",
  };

  test("is told in a few words, bad where the twin refused it again", () => {
    const counted = { kind: "counted" as const, accepted: 2, duplicates: 1, refused: 0 };
    expect(resendWords(null)).toBeNull();
    expect(resendWords({ ...resend, outcome: null })?.text).toBe("In words.");
    expect(resendWords({ ...resend, outcome: counted })).toEqual({
      tone: "online",
      text: "2 accepted, 1 there already",
    });
    expect(resendWords({ ...resend, outcome: { ...counted, accepted: 0, duplicates: 0, refused: 1 } })).toEqual({
      tone: "bad",
      text: "1 refused again",
    });
    expect(resendWords({ ...resend, outcome: { kind: "refused", detail: "no." } })?.text).toBe("refused again: no.");
  });

  test("broken rules are listed once, with their metrics", () => {
    const broken = [
      { rule: "latitude", metric: "lat" },
      { rule: "latitude", metric: "latitude" },
      { rule: "required", metric: "" },
    ];
    expect(brokenRules({ broken })).toEqual([
      { rule: "latitude", metrics: ["lat", "latitude"] },
      { rule: "required", metrics: [] },
    ]);
    expect(brokenRules({ broken: [] })).toEqual([]);
    expect(reasonWords("malformed-json")).toBe("Malformed JSON");
  });
});

test("what was sent is not sent once more; a try that nobody heard the end of can be finished", () => {
  const resend = { by: "", at: "", corrected: false, tries: 1, outcome: null, detail: "" };
  expect(canBeSent({ sendable: true, resend: null })).toBe(true);
  expect(canBeSent({ sendable: true, resend: { ...resend, state: "sending" } })).toBe(true);
  expect(canBeSent({ sendable: true, resend: { ...resend, state: "sent" } })).toBe(false);
  expect(canBeSent({ sendable: false, resend: null })).toBe(false);
});

describe("the filter of dead letters", () => {
  test("lives in the address", () => {
    const filter = readLetterFilter("device=pump-4&reason=malformed-json");
    expect(letterQuery(filter).toString()).toBe("device=pump-4&reason=malformed-json");
  });

  test("by a rule finds what was quarantined, whatever reason was chosen before", () => {
    expect(readLetterFilter("rule=latitude&reason=malformed-json").reason).toBe("quarantined");
  });
});
