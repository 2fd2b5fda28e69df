import { expect, test } from "vitest";
import { Interned } from "./interned.ts";

test("equal values become one", () => {
  const interned = new Interned<string[]>(10);
  const first = ["a"];
  expect(interned.of("a", first)).toBe(first);
  expect(interned.of("a", ["a"])).toBe(first);
  expect(interned.of("b", ["b"])).toEqual(["b"]);
});

test("too many of them are forgotten, and the newest are shared again", () => {
  const interned = new Interned<object>(10);
  const first = interned.of("first", {}, 6);
  const big = interned.of("big", {}, 6);
  expect(interned.of("big", {}, 6)).toBe(big);
  expect(interned.of("first", {}, 3)).not.toBe(first);
});
