/** CPU of the native distributed system by kind of process, from /proc; PostgreSQL's is told apart by who asked for it. */
import { readFileSync } from "node:fs";
import pg from "pg";
import type { NativeSystem } from "../deploy/native/system.ts";
import { cpuSecondsOf, familyCpuSecondsOf } from "./processes.ts";

export const cpuGroups = [
  "broker",
  "gateways",
  "gateways' daprd",
  "hosts' daprd",
  "hosts",
  "PostgreSQL",
  "Redis",
  "Kafka",
  "sinks",
  "PostgreSQL for sinks",
  "apis",
  "placement, scheduler",
] as const;

export type CpuGroup = (typeof cpuGroups)[number];

/** CPU seconds since the start of each process, by group. */
export type CpuSeconds = Readonly<Record<CpuGroup, number>>;

export type CpuMeter = { read(): Promise<CpuSeconds>; close(): Promise<void> };

/** The group of a process of `NativeSystem.processes`. */
export function groupOf(process: string): CpuGroup {
  const daprd = process.endsWith("-daprd");
  if (process.startsWith("gateways-")) return daprd ? "gateways' daprd" : "gateways";
  if (process.startsWith("actors-")) return daprd ? "hosts' daprd" : "hosts";
  if (process.startsWith("apis-")) return "apis";
  if (process.startsWith("sinks-")) return "sinks";
  if (process.startsWith("kafka")) return "Kafka";
  if (process === "mosquitto") return "broker";
  if (process === "postgres") return "PostgreSQL";
  return process === "redis" ? "Redis" : "placement, scheduler";
}

/** A process that is started anew between two readings begins at 0: its group's difference is then too small. */
export async function openCpuMeter(native: NativeSystem): Promise<CpuMeter> {
  const client = new pg.Client({ connectionString: native.places.databaseUrl, application_name: "bench" });
  client.on("error", () => {}); // a benchmark may kill the database
  await client.connect();
  return {
    async read() {
      const { rows } = await client.query<{ pid: number; name: string }>(
        "select pid, application_name as name from pg_stat_activity where application_name like any ('{bench%,sinks-%,doppel-sinks%}')",
      );
      const seconds = Object.fromEntries(cpuGroups.map((group) => [group, 0])) as Record<CpuGroup, number>;
      for (const { name, pid } of native.status()) {
        if (pid === null) continue;
        const group = groupOf(name);
        seconds[group] += group === "PostgreSQL" ? familyCpuSecondsOf(pid) : cpuSecondsOf(pid);
      }
      for (const { pid, name } of rows) {
        const own = cpuSecondsOf(pid);
        seconds.PostgreSQL -= own;
        if (name !== "bench") seconds["PostgreSQL for sinks"] += own;
      }
      return seconds;
    },
    close: () => client.end().catch(() => {}),
  };
}

export function spent(from: CpuSeconds, to: CpuSeconds): CpuSeconds {
  return Object.fromEntries(cpuGroups.map((group) => [group, to[group] - from[group]])) as CpuSeconds;
}

export function added(one: CpuSeconds, other: CpuSeconds): CpuSeconds {
  return Object.fromEntries(cpuGroups.map((group) => [group, one[group] + other[group]])) as CpuSeconds;
}

export function sumOf(seconds: CpuSeconds, groups: readonly CpuGroup[]): number {
  return groups.reduce((sum, group) => sum + seconds[group], 0);
}

/** The value of `--name value` that a process was started with. */
export function argumentOf(pid: number, name: string): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const value = words[words.indexOf(name) + 1];
  if (!words.includes(name) || value === undefined) throw new Error(`Process ${pid} was not started with ${name}.`);
  return value;
}
