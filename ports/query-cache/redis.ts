/** The cache in Redis, for several processes: a key goes by itself after a while. Redis that is away is an empty cache. */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { accessOf, type RedisAccess } from "../redis/access.ts";
import { inTime } from "../redis/in-time.ts";
import type { QueryCache } from "./port.ts";

export type RedisQueryCacheOptions = RedisAccess & {
  /** Of every key. */
  readonly prefix?: string;
  /** How long a query waits for the cache. */
  readonly timeoutMs?: number;
  readonly ttlSeconds?: number;
  /** Longer values are not kept. */
  readonly maxValueLength?: number;
};

/** Never rejects, and does not wait for Redis longer than the time-out: it may come later. */
export async function openRedisQueryCache({
  prefix = "doppel:query:",
  timeoutMs = 100,
  ttlSeconds = 3_600,
  maxValueLength = 4_194_304,
  ...access
}: RedisQueryCacheOptions): Promise<QueryCache> {
  const redis = new Redis(access.url, {
    ...accessOf(access),
    connectionName: "doppel-query-cache",
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    connectTimeout: Math.max(timeoutMs, 1_000),
    socketTimeout: Math.max(timeoutMs, 1_000),
    retryStrategy: (times) => Math.min(times * 25, 500),
  });
  let away: string | null = "it is not connected yet";
  redis.on("error", (error) => {
    away = error.message;
  });
  redis.on("ready", () => {
    away = null;
  });
  await inTime(new Promise((resolve) => redis.once("ready", resolve)), timeoutMs).catch(() => {});

  // Keys name whole queries; a digest of them is short.
  const keyOf = (key: string) => prefix + createHash("sha256").update(key).digest("base64url");
  const asked = async <T>(command: () => Promise<T>): Promise<T | null> => {
    try {
      const answer = await inTime(command(), timeoutMs);
      away = null;
      return answer;
    } catch (error) {
      away = error instanceof Error ? error.message : String(error);
      return null;
    }
  };

  return {
    get: (key) => asked(() => redis.get(keyOf(key))),
    async set(key, value) {
      if (value.length > maxValueLength) return;
      await asked(() => redis.set(keyOf(key), value, "EX", ttlSeconds));
    },
    get away() {
      return away;
    },
    async close() {
      redis.disconnect();
    },
  };
}
