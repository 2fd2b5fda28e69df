import { expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import { mergeState } from "./shadow-merge.ts";

test.each<[string, JsonObject, JsonObject, JsonObject]>([
  ["merges objects", { a: { b: 1 } }, { a: { c: 2 } }, { a: { b: 1, c: 2 } }],
  ["removes a key with null", { a: 1, b: { c: 1, d: 1 } }, { a: null, b: { c: null } }, { b: { d: 1 } }],
  ["keeps a nested object that became empty", { b: { c: 1 } }, { b: { c: null } }, { b: {} }],
  ["ignores null for a key that is not there", { a: 1 }, { z: null }, { a: 1 }],
  ["replaces arrays whole", { a: [1, 2, 3] }, { a: [4] }, { a: [4] }],
  ["replaces a value by an object", { a: 1 }, { a: { b: null, c: 1 } }, { a: { c: 1 } }],
  ["replaces an object by a value", { a: { b: 1 } }, { a: "x" }, { a: "x" }],
  ["keeps an object that is sent empty", { a: { b: 1 } }, { a: {} }, { a: { b: 1 } }],
])("a merge %s", (_, base, patch, expected) => {
  const before = structuredClone(base);
  expect(mergeState(base, patch)).toEqual(expected);
  expect(base).toEqual(before);
});
