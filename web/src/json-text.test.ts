import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonFault } from "./json-fault.ts";
import { readJson, readJsonObject } from "./json-text.ts";

test("what is typed well is read", () => {
  expect(readJsonObject('{"mode": "eco"}')).toEqual({ kind: "json", value: { mode: "eco" } });
  expect(readJson("5")).toEqual({ kind: "json", value: 5 });
});

test("a mistake is told with its line and column", () => {
  const read = readJson('{\n  "mode": eco\n}');
  expect(read).toMatchObject({ kind: "broken" });
  expect(read.kind === "broken" && read.message).toMatch(/^Line 2, column 11: /);
});

test("an unfinished document points to its end", () => {
  const read = readJson('{"mode": "eco"');
  expect(read.kind === "broken" && read.message).toMatch(/^Line 1, column 15: /);
});

test("nothing at all, and what is no object, are refused with what to write", () => {
  expect(readJsonObject(" ")).toEqual({ kind: "broken", message: "This is empty. Write {} for nothing." });
  expect(readJsonObject("[1]")).toMatchObject({ kind: "broken", message: expect.stringContaining("object") });
});

test.each([
  ["{'a': 1}", 1, "a name in double quotes"],
  ['{"a" 1}', 5, '":" after the name'],
  ['{"a": 1,}', 8, "a name in double quotes"],
  ["[1 2]", 3, '"," or "]"'],
  ["{} {}", 3, "nothing more"],
  ['{"a": 01}', 6, "a value: text goes in double quotes"],
  ['{"a": "b\n"}', 6, 'the string to end with " on the same line'],
])("%s is wrong at %i: expected %s", (text, offset, expected) => {
  expect(jsonFault(text)).toEqual({ offset, expected });
});

test("it finds a fault exactly in what the language cannot parse", () => {
  const parses = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const mangled = fc
    .tuple(
      fc.json(),
      fc.nat(200),
      fc.nat(4),
      fc.constantFrom("", '"', "{", "}", ",", ":", "0", "-", "e", "\\", "\n", "\u007f"),
    )
    .map(([text, at, drop, put]) => text.slice(0, at) + put + text.slice(at + drop));
  fc.assert(
    fc.property(fc.oneof(fc.json(), mangled), (text) => {
      expect(jsonFault(text) === null).toBe(parses(text));
    }),
    { numRuns: 2000 },
  );
});
