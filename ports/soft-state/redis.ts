/**
 * Soft state in Redis: a key per twin, that goes by itself when nobody has saved it for a week.
 *
 * Redis may be away, or take our commands and hang. Nothing is kept for it then: a command that it cannot have at once
 * fails, one that it does not answer in time ends the connection and all that waits on it, and the next connection is
 * tried at least each half second.
 */
import { Redis } from "ioredis";
import type { Twin } from "../../core/device/twin.ts";
import { decodeTwin, encodeTwin } from "../../core/device/twin-codec.ts";
import { accessOf, type RedisAccess } from "../redis/access.ts";
import { inTime } from "../redis/in-time.ts";
import type { SoftStateStore, SoftTwin } from "./port.ts";

export type RedisSoftStateOptions = RedisAccess & {
  /** Of every key, before the device id. */
  readonly prefix?: string;
  /** S1 */
  readonly timeoutMs?: number;
  /** How long a twin is kept after it was saved. */
  readonly ttlSeconds?: number;
};

/** Twins per request: large enough to be cheap, small enough that other work comes in between. */
const atOnce = 200;

/** Opens the soft state. Waits for Redis no longer than the time-out: it may come later. Never rejects. */
export async function openRedisSoftState({
  prefix = "doppel:soft:",
  timeoutMs = 100,
  ttlSeconds = 604_800,
  ...access
}: RedisSoftStateOptions): Promise<SoftStateStore> {
  const redis = new Redis(access.url, {
    ...accessOf(access),
    connectionName: "doppel-soft-state",
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    connectTimeout: Math.max(timeoutMs, 1_000),
    socketTimeout: timeoutMs,
    retryStrategy: (times) => Math.min(times * 25, 500),
  });
  let broken = "it is not connected yet";
  let away: string | null = null;
  redis.on("error", (error) => {
    broken = error.message;
  });
  await inTime(new Promise((resolve) => redis.once("ready", resolve)), timeoutMs).catch(() => {});

  /** The answers of a pipeline, all of them or an error. */
  async function answers(pipeline: ReturnType<Redis["pipeline"]>, withinMs: number): Promise<unknown[]> {
    if (redis.status !== "ready") throw new Error(`Redis is away: ${broken}`);
    const results = (await inTime(pipeline.exec(), withinMs)) ?? [];
    return results.map(([error, answer]) => {
      if (error !== null) throw error;
      return answer;
    });
  }

  return {
    async save(twins) {
      if (twins.length === 0) return 0;
      let saved = 0;
      try {
        for (const some of chunksOf(twins)) {
          const pipeline = redis.pipeline();
          for (const soft of some) pipeline.set(prefix + soft.twin.id, textOf(soft), "EX", ttlSeconds);
          await answers(pipeline, timeoutMs);
          saved += some.length;
        }
        away = null;
      } catch (error) {
        away = reasonOf(error);
      }
      return saved;
    },
    async load(devices) {
      const found = new Map<string, SoftTwin>();
      if (devices.length === 0) return found;
      const endMs = performance.now() + timeoutMs;
      try {
        for (const some of chunksOf(devices)) {
          const pipeline = redis.pipeline().mget(some.map((device) => prefix + device));
          const [texts] = (await answers(pipeline, endMs - performance.now())) as [(string | null)[]];
          for (const [place, device] of some.entries()) {
            const soft = softTwinOf(device, texts[place] ?? null);
            if (soft !== null) found.set(device, soft);
          }
        }
        away = null;
      } catch (error) {
        away = reasonOf(error);
      }
      return found;
    },
    get away() {
      return away;
    },
    async close() {
      redis.disconnect();
    },
  };
}

/** The revision, a space, and the twin as `encodeTwin` writes it. */
function textOf({ twin, revision }: SoftTwin): string {
  return `${revision} ${encodeTwin(twin)}`;
}

/** Null where nothing is stored, or nothing that can be read: another release may have written it. */
function softTwinOf(device: string, text: string | null): SoftTwin | null {
  if (text === null) return null;
  const space = text.indexOf(" ");
  const revision = Number(text.slice(0, space));
  if (space <= 0 || !Number.isSafeInteger(revision)) return null;
  let twin: Twin;
  try {
    twin = decodeTwin(text.slice(space + 1));
  } catch {
    return null;
  }
  return twin.id === device && Number.isSafeInteger(twin.revision) ? { twin, revision } : null;
}

function* chunksOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += atOnce) yield items.slice(from, from + atOnce);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
