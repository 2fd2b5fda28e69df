import { describe, expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import { decideShadow, type LiveShadow, type ShadowContext } from "./shadow.ts";
import { isShadowName } from "./shadow-limits.ts";
import { clientTokenOf, type ShadowRequest } from "./shadow-request.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const at = (nowMs: number, changes: Partial<ShadowContext> = {}): ShadowContext => ({
  thing: "pump-4",
  nowMs,
  by: "device",
  maxBytes: 8_192,
  maxDepth: 6,
  ...changes,
});
const t1 = at(1_000_999);
const t2 = at(2_000_000);

const update = (body: unknown): ShadowRequest => ({ kind: "update", payload: bytes(JSON.stringify(body)) });
const get = (body = ""): ShadowRequest => ({ kind: "get", payload: bytes(body) });
const del = (body = ""): ShadowRequest => ({ kind: "delete", payload: bytes(body) });

describe("a refused request", () => {
  const nested = (levels: number): JsonObject => (levels === 1 ? {} : { a: nested(levels - 1) });
  const four: LiveShadow = { kind: "live", version: 4, metadata: {}, updatedAtMs: 0 };

  test.each<[string, ShadowRequest, number, string]>([
    ["text that is not JSON", { kind: "update", payload: bytes("{") }, 400, "Invalid JSON"],
    ["JSON that is not an object", update([1]), 400, "Invalid JSON"],
    ["an update without a body", { kind: "update", payload: bytes("") }, 400, "Invalid JSON"],
    ["a get with a broken body", get("nope"), 400, "Invalid JSON"],
    ["no state", update({ desired: {} }), 400, "Missing required node: state"],
    ["a state that is a list", update({ state: [] }), 400, "State node must be an object"],
    ["a state that is a number", update({ state: 1 }), 400, "State node must be an object"],
    ["desired that is a list", update({ state: { desired: [] } }), 400, "Desired node must be an object"],
    ["reported that is text", update({ state: { reported: "x" } }), 400, "Reported node must be an object"],
    ["a version that is text", update({ state: {}, version: "4" }), 400, "Invalid version"],
    ["a version with a fraction", update({ state: {}, version: 4.5 }), 400, "Invalid version"],
    ["a negative version", update({ state: {}, version: -1 }), 400, "Invalid version"],
    ["a null version", update({ state: {}, version: null }), 400, "Invalid version"],
    [
      "a client token of 65 bytes",
      update({ state: {}, clientToken: `${"é".repeat(32)}x` }),
      400,
      "Invalid clientToken",
    ],
    ["a client token that is a number", update({ state: {}, clientToken: 7 }), 400, "Invalid clientToken"],
    [
      "seven levels",
      update({ state: { desired: nested(7) } }),
      400,
      "JSON contains too many levels of nesting; maximum is 6",
    ],
    [
      "seven levels with arrays",
      update({ state: { reported: { a: [[[[[[]]]]]] } } }),
      400,
      "JSON contains too many levels of nesting; maximum is 6",
    ],
    ["null in an array", update({ state: { desired: { a: [1, null] } } }), 400, "State contains an invalid node"],
    [
      "null in an object in an array",
      update({ state: { desired: { a: [{ b: null }] } } }),
      400,
      "State contains an invalid node",
    ],
    ["another section", update({ state: { delta: {} } }), 400, "State contains an invalid node"],
    [
      "a number that is no number",
      { kind: "update", payload: bytes('{"state":{"desired":{"a":1e999}}}') },
      400,
      "State contains an invalid node",
    ],
    ["an older version", update({ state: {}, version: 3 }), 409, "Version conflict"],
    ["a newer version", update({ state: {}, version: 5 }), 409, "Version conflict"],
    ["a stale If-Match", { kind: "update", payload: bytes('{"state":{}}'), ifVersion: 3 }, 409, "Version conflict"],
    ["a delete of an older version", del('{"version":3}'), 409, "Version conflict"],
    ["a delete with a stale If-Match", { kind: "delete", payload: bytes(""), ifVersion: 3 }, 409, "Version conflict"],
    [
      "more than the limit",
      update({ state: { desired: { a: "x".repeat(8_192) } } }),
      413,
      "The payload exceeds the maximum size allowed",
    ],
    [
      "bytes that are not UTF-8",
      { kind: "update", payload: Uint8Array.of(0x7b, 0xff, 0x7d) },
      415,
      "Unsupported documented encoding; supported encoding is UTF-8",
    ],
  ])("for %s has AWS's code and message, and changes nothing", (_, request, code, message) => {
    const { answer, records, sends } = decideShadow(four, "", request, t2);
    expect(answer).toMatchObject({ kind: "rejected", operation: request.kind, code, message });
    expect(answer.body).toMatchObject({ code, message, timestamp: 2_000 });
    expect([...records, ...sends]).toEqual([]);
  });

  test.each(["get", "delete"] as const)("for a %s says that there is no shadow of this name", (kind) => {
    const request: ShadowRequest = { kind, payload: bytes('{"clientToken":"t"}') };
    expect(decideShadow(undefined, "cfg", request, t2).answer).toEqual({
      kind: "rejected",
      operation: kind,
      code: 404,
      message: "No shadow exists with name: cfg",
      clientToken: "t",
      body: { code: 404, message: "No shadow exists with name: cfg", timestamp: 2_000, clientToken: "t" },
    });
    expect(decideShadow(undefined, "", request, t2).answer).toMatchObject({
      message: "No shadow exists with name: pump-4",
    });
  });

  test("carries the client token wherever it could be read", () => {
    const tokens = [
      { state: 1, clientToken: "t" },
      { clientToken: "t" },
      { state: {}, version: "x", clientToken: "t" },
      { state: {}, version: 9, clientToken: "t" },
      { state: { desired: { a: [null] } }, clientToken: "t" },
      { state: { desired: { a: "x".repeat(9_000) } }, clientToken: "t" },
    ].map((body) => decideShadow(four, "", update(body), t2).answer.body.clientToken);
    expect(tokens).toEqual(["t", "t", "t", "t", "t", "t"]);
  });

  test("gives its client token to those that turn it away unread", () => {
    const tokens = ['{"clientToken":"t"}', '{"clientToken":7}', "{}", "[]", "{", ""].map((body) =>
      clientTokenOf(bytes(body)),
    );
    expect(tokens).toEqual(["t", undefined, undefined, undefined, undefined, undefined]);
    expect(clientTokenOf(Uint8Array.of(0xff))).toBeUndefined();
  });

  test("takes six levels and a token of 64 bytes", () => {
    const body = { state: { desired: nested(6), reported: nested(6) }, clientToken: "é".repeat(32) };
    expect(decideShadow(four, "", update(body), t2).answer.kind).toBe("accepted");
  });

  test("counts the bytes of both sections together, as UTF-8 and after the merge", () => {
    const limited = at(2_000_000, { maxBytes: 40 });
    const shadow: LiveShadow = { ...four, desired: { a: "xxxxxxxxxx" } }; // {"a":"xxxxxxxxxx"}: 18 bytes
    const fits = update({ state: { reported: { b: "éééééxxx" } } }); // {"b":"éééééxxx"}: 21 bytes
    const tooMuch = update({ state: { reported: { b: "ééééééxxx" } } });
    expect(decideShadow(shadow, "", fits, limited).answer.kind).toBe("accepted");
    expect(decideShadow(shadow, "", tooMuch, limited).answer).toMatchObject({ code: 413 });
  });

  test("does not overflow on very deep JSON", () => {
    const deep = `{"state":{"desired":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}}`;
    expect(decideShadow(undefined, "", { kind: "update", payload: bytes(deep) }, t1).answer).toMatchObject({
      message: "JSON contains too many levels of nesting; maximum is 6",
    });
  });
});

test.each([
  ["", true],
  ["cfg", true],
  ["a:b_c-9", true],
  ["x".repeat(64), true],
  ["x".repeat(65), false],
  ["a/b", false],
  ["a b", false],
  ["é", false],
  ["+", false],
])("the shadow name %j is valid: %s", (name, valid) => {
  expect(isShadowName(name)).toBe(valid);
});
