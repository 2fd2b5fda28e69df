import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { startRedis } from "./redis.ts";
import { redisIsHere } from "./testing.ts";

describe.skipIf(!redisIsHere)("a native Redis", () => {
  test("is empty after a restart, on the same port: it holds soft state only", async () => {
    const folder = mkdtempSync(join(tmpdir(), "doppel-redis-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const redis = await startRedis({ folder });
    onTestFinished(() => redis.stop());
    const client = new Redis(redis.url, { retryStrategy: () => 50 });
    client.on("error", () => {});
    onTestFinished(() => client.disconnect());
    await client.set("a", "1");
    expect(await client.get("a")).toBe("1");
    const before = redis.process.pid;
    await redis.process.kill();
    await redis.restart();
    expect(redis.process.pid).not.toBe(before);
    expect(await client.get("a")).toBeNull();
    expect(await client.config("GET", "bind")).toEqual(["bind", "127.0.0.1"]);
  });
});
