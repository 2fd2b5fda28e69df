/** Redis with TLS and a password, as managed ones are. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { startRedis } from "../../deploy/native/redis.ts";
import { redisIsHere } from "../../deploy/native/testing.ts";
import { openRedisQueryCache } from "../query-cache/redis.ts";
import { aSoftTwin } from "../soft-state/contract.ts";
import { openRedisSoftState } from "../soft-state/redis.ts";
import { filesOf, testAuthority } from "../tls/testing.ts";
import type { RedisAccess } from "./access.ts";

const authority = testAuthority(Date.now());
const server = authority.issue({ commonName: "redis", use: "server" });
const password = "not-to-be-told";

describe.skipIf(!redisIsHere)("Redis with TLS and a password", () => {
  async function open(): Promise<RedisAccess & { tls: { ca: string } }> {
    const path = filesOf({ crt: server.cert, key: server.key, ca: authority.cert });
    const folder = mkdtempSync(join(tmpdir(), "doppel-redis-tls-"));
    const files = { cert: path("crt"), key: path("key"), ca: path("ca") };
    const redis = await startRedis({ folder, secure: { ...files, password } });
    onTestFinished(async () => {
      await redis.stop();
      rmSync(folder, { recursive: true });
    });
    return { url: redis.url, password, tls: { ca: authority.cert } };
  }

  test("keeps soft state and answers", async () => {
    const access = await open();
    const soft = await openRedisSoftState({ ...access, timeoutMs: 5_000 });
    onTestFinished(() => soft.close());
    const one = aSoftTwin("pump-1", 1);
    expect(await soft.save([one])).toBe(1);
    expect(await soft.load(["pump-1"])).toEqual(new Map([["pump-1", one]]));
    const cache = await openRedisQueryCache({ ...access, timeoutMs: 5_000 });
    onTestFinished(() => cache.close());
    await cache.set("a", "1");
    expect(await cache.get("a")).toBe("1");
  });

  test.each([
    ["without its authority", (access: RedisAccess) => ({ ...access, tls: {} }), /certificate/],
    ["with a wrong password", (access: RedisAccess) => ({ ...access, password: "wrong" }), /WRONGPASS|NOAUTH|password/],
  ])("is away %s, in words that hold no password", async (_how, change, words) => {
    const soft = await openRedisSoftState({ ...change(await open()), timeoutMs: 1_000 });
    onTestFinished(() => soft.close());
    await vi.waitFor(
      async () => {
        expect(await soft.save([aSoftTwin("pump-1", 1)])).toBe(0);
        expect(soft.away).toMatch(words);
      },
      { timeout: 15_000 },
    );
    expect(soft.away).not.toContain(password);
  });
});
