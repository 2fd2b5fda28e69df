import { expect, test } from "vitest";
import { register } from "./registration.ts";

const patch = (tags: string) => ({ tags: JSON.parse(tags) as Record<string, string | null> });

test("a change leaves what it does not name, and a tag set to null goes", () => {
  const made = register(null, { type: "pump", region: "eu", ...patch('{"floor":"3","line":"b"}') }, 1_000);
  const changed = register(made, { region: "us", ...patch('{"line":null,"hall":"7"}') }, 2_000);
  expect(changed).toMatchObject({ type: "pump", region: "us", createdAtMs: 1_000 });
  expect(changed.tags).toEqual({ floor: "3", hall: "7" });
});

test("a tag may be named after something that every object has", () => {
  const made = register(null, patch('{"__proto__":"odd","constructor":"x"}'), 1_000);
  expect(Object.entries(made.tags)).toEqual([
    ["__proto__", "odd"],
    ["constructor", "x"],
  ]);
  expect(Object.keys(register(made, patch('{"__proto__":null}'), 2_000).tags)).toEqual(["constructor"]);
});
