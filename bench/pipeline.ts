/**
 * Telemetry through everything: devices → broker → gateways → sidecars → hosts → Kafka → sinks, at a rate that the
 * machine holds. What a message costs is read when the last one is through: nothing in flight, no sink behind.
 */
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import type { NativeSystem } from "../deploy/native/system.ts";
import { type Burst, openBursts } from "./burst-generator.ts";
import { type CpuMeter, type CpuSeconds, spent } from "./cpu-groups.ts";
import { type BenchSystem, clusterOf, gaugeOf, instancesOfRole, startBenchSystem, until } from "./native-bench.ts";

export type Pipeline = {
  /** CPU seconds per second with nothing to do: 500 devices are connected and have sent before. */
  readonly idle: CpuSeconds;
  readonly rows: readonly PipelineRow[];
};

export type PipelineRow = {
  readonly name: string;
  readonly messages: number;
  readonly perSecond: number;
  /** Messages in a call of an actor, as the gateways counted. */
  readonly batch: number;
  /** CPU seconds per 100k messages. */
  readonly cpu: CpuSeconds;
  readonly generatorCpu: number;
  /** From the last message that was sent until nothing was in flight. More than a second: the rate was too high. */
  readonly drainSeconds: number;
  /** From `shadow/get` of a bystander to its answer, meanwhile. */
  readonly getP50Ms: number;
  readonly getP99Ms: number;
};

type Scenario = { readonly name: string; readonly devices: number; readonly size: number; readonly rate: number };

/**
 * Two gateways share a burst evenly at mosquitto (EMQX can give all of a device to one): a hundred at once are fifty for
 * each. The rates are what two cores hold.
 */
const scenarios: readonly Scenario[] = [
  { name: "bursts of 100", devices: 500, size: 100, rate: 3_000 },
  { name: "bursts of 50", devices: 500, size: 50, rate: 3_000 },
  { name: "bursts of 10", devices: 500, size: 10, rate: 1_200 },
  { name: "single messages", devices: 500, size: 1, rate: 400 },
];

const counts = { gateways: 2, actors: 2, sinks: 1, apis: 1 };
const warmUpSeconds = 8;
const probeEveryMs = 100;
const idleSeconds = 10;

/** @param pace times the rates of the scenarios; 1 */
export async function measurePipeline(seconds: number, pace: number, say: (line: string) => void): Promise<Pipeline> {
  const system = await startBenchSystem(counts, { DOPPEL_SILENCE_SECONDS: "86400" }, say);
  try {
    const rows: PipelineRow[] = [];
    let idle: CpuSeconds | null = null;
    for (const [index, scenario] of scenarios.entries()) {
      say(`pipeline: ${scenario.name} …`);
      const paced = { ...scenario, rate: scenario.rate * pace };
      const measurement = await measured(system, paced, `p${index}-`, seconds, idle === null);
      idle ??= measurement.idle;
      rows.push(measurement.row);
    }
    return { idle: idle!, rows };
  } finally {
    await system.stop();
  }
}

async function measured(
  { native, cpu }: BenchSystem,
  { name, devices, size, rate }: Scenario,
  prefix: string,
  seconds: number,
  idleFirst: boolean,
): Promise<{ row: PipelineRow; idle: CpuSeconds | null }> {
  const { hostname: host, port } = new URL(native.mqttUrl);
  const bursts = await openBursts({ host, port: Number(port), prefix, devices });
  const probe = await openProbe(native, `${prefix}probe`);
  try {
    const burst: Burst = { size, rate, seconds };
    await bursts.send({ ...burst, seconds: Math.max(warmUpSeconds, (devices * size) / rate) });
    await drained(native);
    const idle = idleFirst ? await measureIdle(cpu) : null;
    const before = { cpu: await cpu.read(), calls: await callsOf(native) };
    probe.begin();
    const sent = await bursts.send(burst);
    const sentAt = performance.now();
    const latencies = probe.end();
    const drainSeconds = ((await drained(native)) - sentAt) / 1_000;
    const after = { cpu: await cpu.read(), calls: await callsOf(native) };
    const turns = after.calls.turns - before.calls.turns - latencies.length;
    if (turns < sent.messages) throw new Error(`${sent.messages} messages were sent, the twins took ${turns}.`);
    const per100k = 100_000 / sent.messages;
    const total = spent(before.cpu, after.cpu);
    const row = {
      name,
      messages: sent.messages,
      perSecond: sent.messages / sent.seconds,
      batch: sent.messages / (after.calls.calls - before.calls.calls - latencies.length),
      cpu: Object.fromEntries(Object.entries(total).map(([group, value]) => [group, value * per100k])) as CpuSeconds,
      generatorCpu: sent.cpuSeconds * per100k,
      drainSeconds,
      getP50Ms: quantile(latencies, 0.5),
      getP99Ms: quantile(latencies, 0.99),
    };
    return { row, idle };
  } finally {
    bursts.close();
    await probe.close();
    await sleep(5_000); // the devices that went are told as offline: not during the next measurement
    await drained(native);
  }
}

/** What being there costs, per second. */
async function measureIdle(cpu: CpuMeter): Promise<CpuSeconds> {
  const [before, startedAt] = [await cpu.read(), performance.now()];
  await sleep(idleSeconds * 1_000);
  const total = spent(before, await cpu.read());
  const seconds = (performance.now() - startedAt) / 1_000;
  return Object.fromEntries(Object.entries(total).map(([group, value]) => [group, value / seconds])) as CpuSeconds;
}

/** When nothing was in flight any more, as `performance.now()`; resolves when the sinks have all of it, too. */
async function drained(native: NativeSystem): Promise<number> {
  const gateways = instancesOfRole(native, "gateways");
  const inFlight = async () => (await gaugeOf(native, gateways, "doppel_ingress_in_flight")) === 0;
  await until("the gateways' messages are through", inFlight, { times: 3, everyMs: 100 });
  const at = performance.now() - 200;
  const caughtUp = async () => {
    const { sinkLag } = await clusterOf(native);
    return Object.values(sinkLag).every((lag) => lag === 0);
  };
  await until("the sinks have caught up", caughtUp, { times: 2, everyMs: 500 });
  await sleep(2_500); // soft state and the members' figures: each second
  return at;
}

async function callsOf(native: NativeSystem): Promise<{ calls: number; turns: number }> {
  const gateways = (await clusterOf(native)).members.filter(({ role, alive }) => role === "gateways" && alive);
  const sum = (name: string) => gateways.reduce((total, { status }) => total + Number(status[name]), 0);
  return { calls: sum("calls"), turns: sum("turns") };
}

type Probe = { begin(): void; end(): number[]; close(): Promise<void> };

/** A device that asks for its shadow all the time, one request after the other; the times to the answers, in ms. */
async function openProbe(native: NativeSystem, id: string): Promise<Probe> {
  const topic = `$aws/things/${id}/shadow/get`;
  const client = await mqtt.connectAsync(native.mqttUrl, { clientId: id });
  let latencies: number[] = [];
  let askedAt = 0;
  let timer: NodeJS.Timeout | null = null;
  const ask = () => {
    askedAt = performance.now();
    client.publish(topic, "", { qos: 1 });
  };
  client.on("message", () => {
    latencies.push(performance.now() - askedAt);
    if (timer !== null) timer = setTimeout(ask, probeEveryMs);
  });
  await client.subscribeAsync([`${topic}/accepted`, `${topic}/rejected`], { qos: 1 });
  return {
    begin() {
      latencies = [];
      timer = setTimeout(ask, probeEveryMs);
    },
    end() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      return latencies;
    },
    close: () => client.endAsync(),
  };
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
