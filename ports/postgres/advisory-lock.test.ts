import { expect, onTestFinished, test } from "vitest";
import { withAdvisoryLock } from "./advisory-lock.ts";
import { openPool } from "./pool.ts";
import { testDatabase } from "./testing.ts";

test("of two who name the same lock one works, and the other is told that it did not", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const pool = openPool(database.url);
  onTestFinished(() => pool.end());
  const first = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const working = withAdvisoryLock(pool, "reconcile", () => {
    begun.resolve();
    return first.promise;
  });
  await begun.promise;
  expect(await withAdvisoryLock(pool, "reconcile", async () => {})).toBe(false);
  expect(await withAdvisoryLock(pool, "another", async () => {})).toBe(true);
  first.resolve();
  expect(await working).toBe(true);
  await expect(withAdvisoryLock(pool, "reconcile", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await withAdvisoryLock(pool, "reconcile", async () => {})).toBe(true);
});
