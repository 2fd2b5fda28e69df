import { describe, expect, onTestFinished, test } from "vitest";
import type { QueryCache } from "./port.ts";

/** The promises of `QueryCache`, for every implementation. */
export function queryCacheContract(
  name: string,
  open: () => Promise<{ readonly cache: QueryCache; close(): Promise<void> }>,
): void {
  async function opened(): Promise<QueryCache> {
    const { cache, close } = await open();
    onTestFinished(close);
    return cache;
  }

  describe(`${name} as QueryCache`, () => {
    test("gives what was last set, and nothing for any other key", async () => {
      const cache = await opened();
      expect(await cache.get("a")).toBeNull();
      await cache.set("a", "1");
      await cache.set("a", "2");
      await cache.set("a ", "Grüße 😀 \u0000");
      expect([await cache.get("a"), await cache.get("a "), await cache.get("b")]).toEqual([
        "2",
        "Grüße 😀 \u0000",
        null,
      ]);
      expect(cache.away).toBeNull();
    });

    test("keys may be as long as queries are", async () => {
      const cache = await opened();
      const key = "device".repeat(1_000);
      await cache.set(`${key}1`, "one");
      await cache.set(`${key}2`, "two");
      expect(await cache.get(`${key}1`)).toBe("one");
    });
  });
}
