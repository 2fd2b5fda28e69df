import { expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import { difference } from "./shadow-delta.ts";

test.each<[string, JsonObject, JsonObject, JsonObject]>([
  ["is empty when desired is reported", { a: 1 }, { a: 1, b: 2 }, {}],
  ["ignores what is reported only", {}, { a: 1 }, {}],
  ["is all of desired while nothing is reported", { a: { b: 1 } }, {}, { a: { b: 1 } }],
  ["compares numbers by value", { a: 1.0, b: -0, c: 1e2 }, { a: 1, b: 0, c: 100 }, {}],
  ["tells a number from its text", { a: 1 }, { a: "1" }, { a: 1 }],
  ["compares objects key by key", { a: { b: 1, c: 2 } }, { a: { b: 1 } }, { a: { c: 2 } }],
  ["takes arrays whole", { a: [1, 2] }, { a: [1, 3] }, { a: [1, 2] }],
  ["compares objects in arrays exactly", { a: [{ b: 1 }] }, { a: [{ b: 1, c: 2 }] }, { a: [{ b: 1 }] }],
  ["does not mind the order of keys", { a: [{ b: 1, c: 2 }] }, { a: [{ c: 2, b: 1 }] }, {}],
  ["has an empty object that is not reported", { a: {} }, { b: 1 }, { a: {} }],
  ["does not find what only a prototype has", { toString: "x", valueOf: {} }, {}, { toString: "x", valueOf: {} }],
])("the delta %s", (_, desired, reported, expected) => {
  expect(difference(desired, reported)).toEqual(expected);
});
