/** Redis on loopback without containers: Debian's redis-server. Soft state only, so nothing is written to disk. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePort, type NativeProcess, startProcess } from "./process.ts";

export type NativeRedis = {
  /** redis://127.0.0.1:port, or rediss:// */
  url: string;
  /** restart() puts the new process in its place. */
  process: NativeProcess;
  /** Starts it again, empty, on its port, after ending it if it still runs. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

/** PEM files; clients need no certificate. */
export type SecureRedis = { cert: string; key: string; ca: string; password: string };

type RedisSettings = { folder: string; port?: number; secure?: SecureRedis };

/** Starts redis-server with its log in `folder`. @throws NativeProcessFailed when it is not installed or does not start */
export async function startRedis({ folder, port, secure }: RedisSettings): Promise<NativeRedis> {
  mkdirSync(folder, { recursive: true });
  const at = port ?? (await freePort());
  const settings = {
    bind: "127.0.0.1",
    ...(secure === undefined ? { port: at } : securely(at, secure)),
    dir: folder,
    save: "",
    appendonly: "no",
    // Full, it must refuse writes: to drop keys by itself would be to forget in silence.
    "maxmemory-policy": "noeviction",
  };
  const start = () =>
    startProcess({
      name: "Redis",
      command: "redis-server",
      args: Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]),
      logFile: join(folder, "redis.log"),
      ready: () => answersPing(at, secure),
    });
  const redis: NativeRedis = {
    url: `${secure === undefined ? "redis" : "rediss"}://127.0.0.1:${at}`,
    process: await start(),
    restart: async () => {
      await redis.process.stop();
      redis.process = await start();
    },
    stop: () => redis.process.stop(),
  };
  return redis;
}

function securely(port: number, { cert, key, ca, password }: SecureRedis): Record<string, string | number> {
  const files = { "tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": ca };
  return { port: 0, "tls-port": port, ...files, "tls-auth-clients": "no", requirepass: password };
}

async function answersPing(port: number, secure: SecureRedis | undefined): Promise<boolean> {
  const access = secure && { tls: { ca: readFileSync(secure.ca) }, password: secure.password };
  const client = new Redis({ host: "127.0.0.1", port, ...access, lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => {}); // said by connect() as well
  try {
    await client.connect();
    return (await client.ping()) === "PONG";
  } finally {
    client.disconnect();
  }
}
