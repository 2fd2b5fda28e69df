import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../deploy/native/process.ts";
import { startRedis } from "../../deploy/native/redis.ts";
import { queryCacheContract } from "./contract.ts";
import { openRedisQueryCache } from "./redis.ts";

async function open() {
  const folder = mkdtempSync(join(tmpdir(), "doppel-redis-"));
  const redis = await startRedis({ folder });
  const cache = await openRedisQueryCache({ url: redis.url, timeoutMs: 1_000 });
  return {
    cache,
    redis,
    close: async () => {
      await cache.close();
      redis.process.resume();
      await redis.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

queryCacheContract("Redis", open);

test("Redis that is away or hangs is an empty cache, told for health", async () => {
  const { cache, redis, close } = await open();
  onTestFinished(close);
  await cache.set("a", "1");
  redis.process.pause();
  expect(await cache.get("a")).toBeNull();
  expect(cache.away).not.toBeNull();
  redis.process.resume();
  while ((await cache.get("a")) === null) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(cache.away).toBeNull();
});

test("without any Redis the cache opens and is empty", async () => {
  const cache = await openRedisQueryCache({ url: `redis://127.0.0.1:${await freePort()}`, timeoutMs: 50 });
  onTestFinished(() => cache.close());
  await cache.set("a", "1");
  expect(await cache.get("a")).toBeNull();
  expect(cache.away).not.toBeNull();
});
