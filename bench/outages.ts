/**
 * What devices and apps miss when a process is killed with -9, and comes back by itself a second later: the longest time
 * between two answers, how long one question waited at most, and when all are answered again. One kind after the other on
 * the same system, each when all is well.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NativeSystem } from "../deploy/native/system.ts";
import { startBenchSystem, until } from "./native-bench.ts";
import { longestGap, openDeviceProbe, openReadProbe, type Probe } from "./probes.ts";

type Missed = {
  /** Of the one that missed most. */
  readonly longestGapMs: number;
  readonly longestWaitMs: number;
  /** Probes without an answer for longer than `affectedMs`. */
  readonly affected: number;
  /** Questions without an answer, or with an error. */
  readonly unanswered: number;
  /** Answers "too many requests": of one device a gateway takes ten questions at a time, as AWS does. */
  readonly refused: number;
};

export type OutageRow = {
  readonly kind: string;
  readonly devices: Missed;
  readonly reads: Missed;
  /** From the kill until the last one that was affected had an answer; 0 if none was. */
  readonly allAgainMs: number;
  /** From the kill until each process runs again and says that it is ready. */
  readonly readyMs: number;
};

const counts = { gateways: 2, actors: 3, sinks: 1, apis: 1 };
const probes = 40;
const askEveryMs = 100;
const readEveryMs = 250;
/** Five questions without an answer. */
export const affectedMs = 500;
const steadyMs = 2_000;
const watchMs = 6_000;

/** Names of processes that are killed together. */
const kinds: readonly (readonly [kind: string, processes: readonly string[]])[] = [
  ["nothing", []],
  ["host application", ["actors-1"]],
  ["host sidecar", ["actors-2-daprd"]],
  ["host and sidecar", ["actors-3", "actors-3-daprd"]],
  ["gateway", ["gateways-1"]],
  ["gateway's sidecar", ["gateways-2-daprd"]],
  ["Redis", ["redis"]],
  ["scheduler", ["scheduler"]],
  ["placement", ["placement"]],
  ["PostgreSQL", ["postgres"]],
  ["Kafka", ["kafka"]],
  ["broker", ["mosquitto"]],
];

/** @param only kinds that hold this word; all */
export async function measureOutages(say: (line: string) => void, only = ""): Promise<OutageRow[]> {
  const { native, stop } = await startBenchSystem(counts, {}, say);
  const devices: Probe[] = [];
  const reads: Probe[] = [];
  try {
    for (let index = 1; index <= probes; index += 1) {
      const device = `probe-${index}`;
      devices.push(await openDeviceProbe(native.mqttUrl, device, askEveryMs));
      reads.push(openReadProbe(`${native.httpUrl}/v1/devices/${device}`, readEveryMs));
    }
    const rows: OutageRow[] = [];
    for (const [kind, processes] of kinds.filter(([name]) => name.includes(only))) {
      await until("all is well", async () => isWell([...devices, ...reads]) && (await isReady(native)), {
        times: 5,
      });
      say(`kills: ${kind} …`);
      rows.push(await killed(native, kind, processes, devices, reads));
    }
    return rows;
  } finally {
    await Promise.all([...devices, ...reads].map((probe) => probe.close()));
    await stop();
  }
}

async function killed(
  native: NativeSystem,
  kind: string,
  processes: readonly string[],
  devices: readonly Probe[],
  reads: readonly Probe[],
): Promise<OutageRow> {
  const from = performance.now();
  await Promise.all(processes.map((name) => native.process(name).crash()));
  let readyMs = 0;
  const watchReady = until("every process is back", () => isReady(native), { everyMs: 50, times: 2 }).then(() => {
    readyMs = processes.length === 0 ? 0 : performance.now() - from;
  });
  await sleep(watchMs);
  await watchReady;
  await until(`everyone is answered again after: ${kind}`, async () => isWell([...devices, ...reads]));
  const to = performance.now();
  const gaps = [...devices, ...reads].map((probe) => longestGap(probe, from, to)).filter(isLong);
  return {
    kind,
    devices: missed(devices, from, to),
    reads: missed(reads, from, to),
    allAgainMs: Math.max(0, ...gaps.map((gap) => gap.to - from)),
    readyMs,
  };
}

function missed(some: readonly Probe[], from: number, to: number): Missed {
  const gaps = some.map((probe) => longestGap(probe, from, to));
  const waits = some.flatMap((probe) => probe.waits.filter(({ at }) => at >= from && at <= to).map(({ ms }) => ms));
  // What was asked in the last moment may still be answered.
  const open = some.flatMap((probe) => probe.unanswered().filter((at) => at >= from - 200 && at < to - steadyMs));
  return {
    longestGapMs: Math.max(...gaps.map((gap) => gap.to - gap.from)),
    longestWaitMs: Math.max(0, ...waits),
    affected: gaps.filter(isLong).length,
    unanswered: open.length,
    refused: some.flatMap(({ refusedAt }) => refusedAt.filter((at) => at >= from)).length,
  };
}

function isLong(gap: { readonly from: number; readonly to: number }): boolean {
  return gap.to - gap.from > affectedMs;
}

/** Whether all have been answered again and again for the last two seconds; a busy machine may be slow. */
function isWell(some: readonly Probe[]): boolean {
  const from = performance.now() - steadyMs;
  return some.every(({ answeredAt }) => (answeredAt.at(-2) ?? 0) > from);
}

async function isReady(native: NativeSystem): Promise<boolean> {
  if (native.status().some(({ state }) => state !== "running")) return false;
  return native.ready(1).then(
    () => true,
    () => false,
  );
}
