/** Starts what is measured as processes of their own, and ends them by pid. */
import { type ChildProcess, spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { clusterUrl, DATABASE } from "../ports/postgres/cluster.ts";
import type { Load, LoadResult } from "./load-generator.ts";

const root = join(import.meta.dirname, "..");

export type Started = {
  readonly pid: number;
  readonly port: number;
  stop(signal: NodeJS.Signals): Promise<void>;
};

export type StartedDoppel = Started & {
  readonly httpPort: number;
  readonly databaseUrl: string;
  /** From the start of the process until it said that it was up. */
  readonly startSeconds: number;
  readonly replayed: number;
};

export async function startReference(): Promise<Started> {
  const child = spawn(process.execPath, [join(root, "bench/reference-server.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await firstMatch(child, /^(\d+)\n/);
  return { pid: child.pid!, port: Number(line[1]), stop: (signal) => end(child, signal) };
}

export async function startDoppel(dataDir: string): Promise<StartedDoppel> {
  const [mqttPort, wsPort, httpPort] = [await freePort(), await freePort(), await freePort()];
  const startedAt = performance.now();
  const child = spawn(process.execPath, [join(root, "start.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      DOPPEL_DATA_DIR: dataDir,
      DOPPEL_MQTT_PORT: String(mqttPort),
      DOPPEL_MQTT_WS_PORT: String(wsPort),
      DOPPEL_HTTP_PORT: String(httpPort),
      DOPPEL_LOG_LEVEL: "error",
      DATABASE_URL: "",
    },
  });
  const up = await firstMatch(child, /Doppel is up after [\d.]+ s(?:, (\d+) records replayed)?/);
  return {
    pid: child.pid!,
    port: mqttPort,
    httpPort,
    startSeconds: (performance.now() - startedAt) / 1000,
    replayed: Number(up[1] ?? 0),
    databaseUrl: clusterUrl(realpathSync(join(dataDir, "postgres", "socket")), DATABASE),
    stop: (signal) => end(child, signal),
  };
}

/** Runs the load generator as a process of its own. */
export async function load(options: Load): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(root, "bench/load-generator.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await firstMatch(child, /^(\{.*\})\n/m);
  return JSON.parse(line[1]!) as LoadResult;
}

function firstMatch(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const match = pattern.exec(output);
      if (match !== null) resolve(match);
    });
    child.once("exit", (code) => reject(new Error(`ended with ${code} before it said ${pattern}:\n${output}`)));
  });
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
