import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

test("waits double up to half a minute, and spread by half", () => {
  expect([0, 1, 2, 3, 10, 1000].map((attempt) => backoffMs(attempt, 0.9999999))).toEqual([
    500, 1000, 2000, 4000, 30_000, 30_000,
  ]);
  expect(backoffMs(3, 0)).toBe(2000);
});
