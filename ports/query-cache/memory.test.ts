import { expect, test } from "vitest";
import { queryCacheContract } from "./contract.ts";
import { openMemoryQueryCache } from "./memory.ts";

queryCacheContract("memory", async () => {
  const cache = openMemoryQueryCache();
  return { cache, close: () => cache.close() };
});

test("never takes more than its bytes: what was not asked for longest goes", async () => {
  const cache = openMemoryQueryCache({ maxBytes: 80_000 });
  for (let n = 0; n < 100; n += 1) {
    await cache.set(`key ${n}`, "x".repeat(1_000));
    await cache.get("key 0");
  }
  const there = await Promise.all(Array.from({ length: 100 }, (_, n) => cache.get(`key ${n}`)));
  expect(there.filter((value) => value !== null).length).toBeLessThanOrEqual(40);
  expect([there[0] === null, there[1] === null, there[99] === null]).toEqual([false, true, false]);
  await cache.set("huge", "x".repeat(20_000));
  expect(await cache.get("huge")).toBeNull();
});
