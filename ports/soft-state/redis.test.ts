import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../deploy/native/process.ts";
import { startRedis } from "../../deploy/native/redis.ts";
import { aSoftTwin, softStateContract } from "./contract.ts";
import type { SoftStateStore } from "./port.ts";
import { openRedisSoftState } from "./redis.ts";

async function open() {
  const folder = mkdtempSync(join(tmpdir(), "doppel-redis-"));
  const redis = await startRedis({ folder });
  const reopen = () => openRedisSoftState({ url: redis.url, timeoutMs: 300 });
  const store = await reopen();
  return {
    store,
    reopen,
    redis,
    client: async () => {
      const client = new Redis(redis.url);
      onTestFinished(() => client.disconnect());
      return client;
    },
    goAway: () => redis.process.stop(),
    comeBack: async () => {
      await redis.restart();
      await answering(store);
    },
    close: async () => {
      await store.close();
      redis.process.resume();
      await redis.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

async function opened() {
  const storage = await open();
  onTestFinished(storage.close);
  return storage;
}

/** Until Redis answers the store again: nothing but its own reconnecting is waited for. */
async function answering(store: SoftStateStore): Promise<void> {
  for (;;) {
    await store.load(["anybody"]);
    if (store.away === null) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

softStateContract("Redis", open);

softStateContract("Redis that hangs", async () => {
  const storage = await open();
  return {
    ...storage,
    goAway: async () => storage.redis.process.pause(),
    comeBack: async () => {
      storage.redis.process.resume();
      await answering(storage.store);
    },
  };
});

test("while Redis hangs nothing is kept for it", async () => {
  const { store, redis, client } = await opened();
  const many = Array.from({ length: 5_000 }, (_, index) => aSoftTwin(`pump-${index}`, 1));
  redis.process.pause();
  for (let round = 0; round < 5; round += 1) expect(await store.save(many)).toBe(0);
  redis.process.resume();
  await answering(store);
  // What it may have got is the first request, whose answer was awaited.
  expect(await (await client()).dbsize()).toBeLessThanOrEqual(200);
});

test("without any Redis the store opens, and finds it when it comes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "doppel-redis-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const port = await freePort();
  const store = await openRedisSoftState({ url: `redis://127.0.0.1:${port}`, timeoutMs: 300 });
  onTestFinished(() => store.close());
  expect(await store.load(["pump-4"])).toEqual(new Map());
  expect(store.away).toContain("ECONNREFUSED");
  const redis = await startRedis({ folder, port });
  onTestFinished(() => redis.stop());
  await answering(store);
  expect(await store.save([aSoftTwin("pump-4", 1)])).toBe(1);
});

test("a value that is no twin counts as not there", async () => {
  const { store, client } = await opened();
  const [good, foreign] = [aSoftTwin("pump-1", 1), aSoftTwin("pump-9", 1)];
  await store.save([good, foreign]);
  const redis = await client();
  const text = (await redis.get("doppel:soft:pump-9"))!;
  const bad = ["", "1", "1 ", "x {}", "1 {}", "1 null", text, ` ${text}`, "1 {", '1 {"id":"pump-4"}'];
  for (const value of bad) {
    await redis.set("doppel:soft:pump-4", value);
    expect(await store.load(["pump-4", "pump-1"])).toEqual(new Map([["pump-1", good]]));
    expect(store.away).toBeNull();
  }
});

test("a key of another kind is told, and does no harm", async () => {
  const { store, client } = await opened();
  await (await client()).lpush("doppel:soft:pump-4", "x");
  expect(await store.load(["pump-4"])).toEqual(new Map());
  expect(await store.save([aSoftTwin("pump-4", 1)])).toBe(1);
});

test("a Redis that is full is told, and what is there can be loaded", async () => {
  const { store, client } = await opened();
  await store.save([aSoftTwin("pump-4", 1)]);
  await (await client()).config("SET", "maxmemory", "1");
  expect(await store.save([aSoftTwin("pump-5", 1)])).toBe(0);
  expect(store.away).toContain("OOM");
  expect(await store.load(["pump-4"])).toEqual(new Map([["pump-4", aSoftTwin("pump-4", 1)]]));
});

test("a twin that nobody saves for a week goes by itself", async () => {
  const { store, client } = await opened();
  await store.save([aSoftTwin("pump-4", 1)]);
  const seconds = await (await client()).ttl("doppel:soft:pump-4");
  expect(seconds).toBeGreaterThan(604_800 - 60);
  expect(seconds).toBeLessThanOrEqual(604_800);
});
