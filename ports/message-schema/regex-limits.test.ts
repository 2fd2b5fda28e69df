import { expect, test } from "vitest";
import { patternProblem } from "./regex-limits.ts";

test.each([
  "^[A-Z]{2}-\\d{4}$",
  "^-?\\d+(\\.\\d+)?$",
  "^(on|off|auto)$",
  "^\\p{L}+$",
  "^[\\w.-]{1,32}@[\\w-]{1,32}\\.[a-z]{2,8}$",
  "^(?:\\d{3}-)*$",
  "^\\u{1F4A7}$",
  "eco",
  "^[\\]x]*$",
])("%s is tame", (pattern) => {
  expect(patternProblem(pattern)).toBeNull();
});

test.each([
  "^(a+)+$",
  "^(a|aa)*$",
  "^(a|a)*$",
  "^a*a*a*$",
  ".*.*x",
  "^(a?){30}a{30}$",
  "^(\\d+\\s?)+$",
  "^((){200}){200}$",
  "x{0,200}x{0,200}$",
])("%s could take too long", (pattern) => {
  expect(patternProblem(pattern)).toMatch(/could take too long/);
});

test.each([
  ["^(a)\\1$", /a reference back/],
  ["^(?=a)", /look-ahead/],
  ["^(?<n>a)", /look-ahead, look-behind, named group/],
  ["(", /no regular expression/],
  ["a".repeat(300), /over 256 characters/],
])("%s is refused by what is in it", (pattern, problem) => {
  expect(patternProblem(pattern)).toMatch(problem);
});
