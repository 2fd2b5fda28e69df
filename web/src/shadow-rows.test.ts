import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../../core/json.ts";
import { merged, mergePatch } from "./merge-patch.ts";
import { differences, sameJson, shadowRows } from "./shadow-rows.ts";

const marked = (desired: JsonObject, reported: JsonObject) =>
  shadowRows(desired, reported)
    .filter((row) => row.differs)
    .map((row) => row.path);

test("a desired value that the device reports otherwise, or not at all, is marked", () => {
  expect(marked({ mode: "eco", fan: 2, lamp: true }, { mode: "comfort", lamp: true })).toEqual(['["mode"]', '["fan"]']);
});

test("what is only reported is no difference", () => {
  expect(marked({}, { uptime: 5, network: { rssi: -70 } })).toEqual([]);
});

test("the branches above a difference are marked, their other leaves are not", () => {
  const rows = shadowRows({ a: { b: { c: 1, d: 2 } } }, { a: { b: { c: 1, d: 3 } } });
  expect(rows.map((row) => [row.name, row.depth, row.branch, row.differs])).toEqual([
    ["a", 0, true, true],
    ["b", 1, true, true],
    ["c", 2, false, false],
    ["d", 2, false, true],
  ]);
  expect(differences(rows)).toBe(1);
});

test("arrays are compared and shown whole", () => {
  expect(marked({ times: [1, 2] }, { times: [1, 2, 3] })).toEqual(['["times"]']);
  expect(marked({ times: [1, { a: 2 }] }, { times: [1, { a: 2 }] })).toEqual([]);
});

test("an object against a value is one line", () => {
  const [row, ...others] = shadowRows({ light: { on: true } }, { light: "on" });
  expect(others).toEqual([]);
  expect(row).toMatchObject({ name: "light", branch: false, differs: true });
});

test("an empty object that the device lacks is a line, and differs", () => {
  expect(shadowRows({ extra: {} }, {})).toMatchObject([{ name: "extra", branch: false, differs: true }]);
});

test("names with dots and quotes keep rows apart", () => {
  const rows = shadowRows({ "a.b": 1, a: { b: 1 } }, {});
  expect(new Set(rows.map((row) => row.path)).size).toBe(rows.length);
});

const leaf = fc.oneof(fc.boolean(), fc.integer(), fc.string(), fc.array(fc.integer(), { maxLength: 3 }));
const { state } = fc.letrec((tie) => ({
  state: fc.dictionary(fc.string({ maxLength: 4 }), fc.oneof({ maxDepth: 3 }, leaf, tie("state")), { maxKeys: 4 }),
}));

test("nothing is marked when reported holds all that is desired", () => {
  fc.assert(
    fc.property(state, (any) => {
      const desired = any as JsonObject;
      expect(differences(shadowRows(desired, structuredClone(desired)))).toBe(0);
    }),
  );
});

test("a merge of the patch turns what was into what was typed", () => {
  fc.assert(
    fc.property(state, state, (before, after) => {
      const patch = mergePatch(before as JsonObject, after as JsonObject);
      expect(sameJson(merged(before as JsonObject, patch), after as JsonObject)).toBe(true);
    }),
  );
});

test("the patch of an unchanged document is empty, whatever the order of its keys", () => {
  expect(mergePatch({ a: 1, b: { c: [1] } }, { b: { c: [1] }, a: 1 })).toEqual({});
  expect(mergePatch({ a: 1, b: { c: 1, d: 2 } }, { b: { c: 1 } })).toEqual({ a: null, b: { d: null } });
});

test("one's own change goes on top of what someone else has changed meanwhile", () => {
  const mine = mergePatch({ mode: "eco", fan: { speed: 1 } }, { mode: "off", fan: { speed: 1 } });
  expect(merged({ mode: "eco", fan: { speed: 3 }, lamp: true }, mine)).toEqual({
    mode: "off",
    fan: { speed: 3 },
    lamp: true,
  });
});
