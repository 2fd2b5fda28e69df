import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonErrorPosition } from "./json-position.ts";

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test("it finds a place exactly in what JSON.parse refuses", () => {
  const damaged = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "}", '"', "\\", "x", "0", "[", "\n", "-", "e", "."))
    .map(([text, at, inserted]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + inserted + text.slice(place + (at % 3));
    });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.json(), fc.string()), (text) => {
      expect(jsonErrorPosition(text) === null).toBe(parses(text));
    }),
    { numRuns: 5_000 },
  );
});

test("what comes before the place could still become JSON", () => {
  expect(jsonErrorPosition('{"a": [1, 2, tru]}')).toEqual({ line: 1, column: 14, found: '"t"' });
  expect(jsonErrorPosition('{"a": 01}')).toEqual({ line: 1, column: 8, found: '"1"' });
  expect(jsonErrorPosition('"a\tb"')).toEqual({ line: 1, column: 3, found: '"\\t"' });
  expect(jsonErrorPosition("")).toEqual({ line: 1, column: 1, found: "the end" });
});
