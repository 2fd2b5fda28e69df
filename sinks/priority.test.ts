import { getPriority } from "node:os";
import { expect, test } from "vitest";
import { lowerSession, lowerThread } from "./priority.ts";

test("a process that is no PostgreSQL session is left alone", () => {
  const before = getPriority();
  expect(lowerSession(process.pid)).toBe(false);
  expect(lowerSession(null)).toBe(false);
  expect(getPriority()).toBe(before);
});

test("a thread that is not there is nobody else's", () => {
  expect(lowerThread("no such thread")).toBe(false);
});
