/** The native distributed system, started to be measured: in a folder of its own, on free ports, durable, quiet. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type NativeSystem, startNative } from "../deploy/native/system.ts";
import type { Counts } from "../deploy/topology.ts";
import { type CpuMeter, openCpuMeter } from "./cpu-groups.ts";

export type BenchSystem = {
  readonly native: NativeSystem;
  readonly folder: string;
  readonly cpu: CpuMeter;
  stop(): Promise<void>;
};

type Status = Readonly<Record<string, number | string | boolean>>;

/** What GET /v1/cluster says, as far as benchmarks read it. */
export type Cluster = {
  readonly members: readonly {
    readonly id: string;
    readonly name: string;
    readonly role: string;
    readonly alive: boolean;
    readonly status: Status;
  }[];
  readonly sinkLag: Readonly<Record<string, number>>;
};

export async function startBenchSystem(
  counts: Counts,
  env: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<BenchSystem> {
  const folder = mkdtempSync("/tmp/doppel-bench-"); // not TMPDIR: a socket's path must be short
  chmodSync(folder, 0o711); // started by root, PostgreSQL runs as another user
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    const native = await startNative({
      ...counts,
      folder,
      ports: "free",
      durable: true,
      env: { DOPPEL_LOG_LEVEL: "error", ...env },
      say,
    });
    const cpu = await openCpuMeter(native);
    return {
      native,
      folder,
      cpu,
      async stop() {
        await cpu.close();
        await native.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

export async function clusterOf(native: NativeSystem): Promise<Cluster> {
  return (await (await fetch(`${native.httpUrl}/v1/cluster`)).json()) as Cluster;
}

/** The sum of a gauge over processes of the system, from their /metrics. */
export async function gaugeOf(native: NativeSystem, names: readonly string[], gauge: string): Promise<number> {
  const values = await Promise.all(
    names.map(async (name) => {
      const text = await (await fetch(`${native.urlOf(name)}/metrics`)).text();
      const value = new RegExp(`^${gauge} (\\S+)$`, "m").exec(text)?.[1];
      if (value === undefined) throw new Error(`${name} has no metric ${gauge}.`);
      return Number(value);
    }),
  );
  return values.reduce((sum, value) => sum + value, 0);
}

/** Names of the instances of a role: "actors-1", "actors-2", … */
export function instancesOfRole(native: NativeSystem, role: string): string[] {
  return [...native.processes.keys()].filter((name) => name.startsWith(`${role}-`) && !name.endsWith("-daprd"));
}

/** Asks every `everyMs` until it is so `times` in a row. @throws Error, naming `what`, after `withinMs` */
export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  { withinMs = 120_000, everyMs = 200, times = 1 } = {},
): Promise<void> {
  const endMs = performance.now() + withinMs;
  for (let inRow = 0; inRow < times; ) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${withinMs / 1000} s.`);
    inRow = (await isSo().catch(() => false)) ? inRow + 1 : 0;
    if (inRow < times) await sleep(everyMs);
  }
}
