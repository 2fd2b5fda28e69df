/**
 * A turn of a device's twin beside a raw Dapr actor's, each called at the sidecar that hosts it, by the same client, in
 * turns: what the machine does meanwhile hits both. The raw actor has a sidecar of its own, of the same program and
 * configuration: one sidecar takes one host. Both write to the same PostgreSQL, which waits for the disk.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { decodeAnswer, deviceTwin, encodeTurns, type NamedTurn } from "../actors/device/turns-wire.ts";
import { type DaprClient, openDaprClient } from "../actors/host/dapr/client.ts";
import { brokerSession } from "../core/device/broker-session.ts";
import type { TwinInput } from "../core/device/inputs.ts";
import { startDaprd } from "../deploy/native/dapr.ts";
import { argumentOf } from "./cpu-groups.ts";
import { type BenchSystem, startBenchSystem, until } from "./native-bench.ts";
import { cpuSecondsOf } from "./processes.ts";
import { rawActor } from "./raw-actor.ts";

export const costGroups = ["daprd", "host", "PostgreSQL", "Redis", "Kafka"] as const;
type CostGroup = (typeof costGroups)[number];

export type CallRow = {
  readonly name: string;
  readonly messagesPerCall: number;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU µs of a call. */
  readonly cpu: Readonly<Record<CostGroup, number>>;
  /** The broker's, by which answers to shadow updates go out, and the caller's: apart. */
  readonly apart: { readonly broker: number; readonly caller: number };
};

export type TurnCost = {
  readonly rows: readonly CallRow[];
  /** Of the state that a durable turn writes, as text, without its receipts. */
  readonly twinBytes: number;
  readonly receiptBytes: number;
  readonly rounds: number;
};

const concurrency = 64;
const actors = 1_000;
const rounds = 3;
const timeoutMs = 30_000;
/** After the load: what is done behind the turns (soft state, the outbox) is theirs too. */
const settleMs = 1_500;

type Call = { readonly name: string; readonly raw: boolean; readonly messages: number; readonly make: Make };
/** Makes one call of the actor with this number. */
type Make = (actor: number) => Promise<void>;

export async function measureTurnCost(seconds: number, say: (line: string) => void): Promise<TurnCost> {
  const counts = { gateways: 0, actors: 1, sinks: 0, apis: 0 };
  // Nobody is silent or swept meanwhile: what is measured are the calls.
  const env = { DOPPEL_SILENCE_SECONDS: "86400", DOPPEL_SWEEP_SECONDS: "3600" };
  const system = await startBenchSystem(counts, env, say);
  const raw = await startRawActor(system);
  const sidecarOfTwins = system.native.process("actors-1-daprd").status().pid!;
  const httpUrl = `http://127.0.0.1:${argumentOf(sidecarOfTwins, "--dapr-http-port")}`;
  const twins = openDaprClient({ httpUrl, connections: concurrency });
  try {
    const calls = [
      rawCall(raw.client, "raw actor, no-op", rawActor.noop),
      rawCall(raw.client, "raw actor, 1 KB state write", rawActor.write),
      ...[1, 10, 50].flatMap((messages) => [
        twinCall(twins, `telemetry × ${messages}`, messages, telemetry),
        twinCall(twins, `shadow update × ${messages}`, messages, shadowUpdate),
      ]),
    ];
    const part = seconds / rounds;
    for (const call of calls) {
      say(`calls: warming up, ${call.name} …`);
      await run(call.make, { atLeast: actors, seconds: Math.min(part, 4) });
    }
    const runs = new Map<Call, Measured[]>(calls.map((call) => [call, []]));
    for (let round = 1; round <= rounds; round += 1) {
      for (const call of calls) {
        say(`calls: round ${round} of ${rounds}, ${call.name} …`);
        const pids = call.raw ? raw.pids() : null;
        runs.get(call)!.push(await measured(system, call, part, pids));
      }
    }
    const rows = [...runs].map(([call, some]) => rowOf(call, some));
    return { rows, rounds, ...(await sizesOf(system)) };
  } finally {
    await twins.close();
    await raw.stop();
    await system.stop();
  }
}

type RawActor = { readonly client: DaprClient; pids(): { daprd: number; host: number }; stop(): Promise<void> };

async function startRawActor({ native, folder }: BenchSystem): Promise<RawActor> {
  const neighbour = native.process("actors-1-daprd").status().pid!;
  const sidecar = await startDaprd({
    name: "raw-daprd",
    appId: "bench-raw",
    folder: join(folder, "logs"),
    placement: { address: argumentOf(neighbour, "--placement-host-address") },
    scheduler: { address: argumentOf(neighbour, "--scheduler-host-address") },
    env: { DATABASE_URL: native.places.databaseUrl },
  });
  const script = join(import.meta.dirname, "raw-actor.ts");
  const host: ChildProcess = fork(script, [`127.0.0.1:${sidecar.grpcPort}`, sidecar.url]);
  await once(host, "message");
  const client = openDaprClient({ httpUrl: sidecar.url, connections: concurrency });
  const first = () => client.invoke(rawActor.type, "r0", rawActor.noop, "1", { timeoutMs: 1_000 });
  await until("the raw actor answers", async () => (await first()).length === 1);
  return {
    client,
    pids: () => ({ daprd: sidecar.pid, host: host.pid! }),
    async stop() {
      await client.close();
      host.kill();
      await sidecar.stop();
    },
  };
}

function rawCall(client: DaprClient, name: string, method: string): Call {
  const body = JSON.stringify({ asked: "x".repeat(180) }); // as long as a message of telemetry is
  const make: Make = async (actor) =>
    void (await client.invoke(rawActor.type, `r${actor}`, method, body, { timeoutMs }));
  return { name, raw: true, messages: 1, make };
}

/** By actor: the number of its last message. */
const seqs: number[] = [];

type InputOf = (device: string, seq: number) => TwinInput;

function twinCall(client: DaprClient, name: string, messages: number, inputOf: InputOf): Call {
  const make: Make = async (actor) => {
    const device = `d${actor}`;
    const turns = Array.from({ length: messages }, (): NamedTurn => {
      const seq = (seqs[actor] ?? 0) + 1;
      seqs[actor] = seq;
      return { turn: `bench.${seq.toString(36)}`, digest: seq, redelivered: false, input: inputOf(device, seq) };
    });
    const body = await client.invoke(deviceTwin.type, device, deviceTwin.turns, encodeTurns(turns), { timeoutMs });
    const answer = decodeAnswer(body);
    if (answer.kind === "again") throw new Error(`The twin of ${device} did not take its turns: ${answer.detail}`);
    const bad = answer.replies.find((reply) => !isAccepted(reply));
    if (bad !== undefined) throw new Error(`The twin of ${device} answered ${JSON.stringify(bad)}`);
  };
  return { name, raw: false, messages, make };
}

function isAccepted(reply: Extract<ReturnType<typeof decodeAnswer>, { kind: "replies" }>["replies"][number]): boolean {
  if (reply.kind === "counted") return reply.accepted === 1;
  return reply.kind === "shadow" && reply.answer.kind === "accepted";
}

const encoder = new TextEncoder();

const telemetry: InputOf = (device, seq) => ({
  kind: "telemetry",
  topic: `devices/${device}/telemetry`,
  payload: encoder.encode(
    `{"ts":${Date.now()},"seq":${seq},"boot":"b","readings":{"temperature":${(20 + (seq % 100) / 10).toFixed(1)},"humidity":44.5,"battery":88.2,"signal":-61}}`,
  ),
  session: brokerSession,
});

const shadowUpdate: InputOf = (_device, seq) => ({
  kind: "shadow",
  shadow: "",
  request: {
    kind: "update",
    payload: encoder.encode(`{"state":{"reported":{"speed":${seq},"valve":"open","pressure":${1000 + (seq % 50)}}}}`),
  },
  by: "device",
  session: brokerSession,
});

type Load = { readonly calls: number; readonly seconds: number; readonly latenciesMs: number[] };
type Measured = Load & { readonly cpu: Record<CostGroup, number>; readonly broker: number; readonly caller: number };

async function measured(
  { cpu, native }: BenchSystem,
  call: Call,
  seconds: number,
  raw: { daprd: number; host: number } | null,
): Promise<Measured> {
  const read = async () => {
    const all = await cpu.read();
    return {
      daprd: raw === null ? all["hosts' daprd"] : cpuSecondsOf(raw.daprd),
      host: raw === null ? all.hosts : cpuSecondsOf(raw.host),
      PostgreSQL: all.PostgreSQL,
      Redis: all.Redis,
      Kafka: all.Kafka,
      broker: all.broker,
      caller: cpuSecondsOf(process.pid),
    };
  };
  const from = await read();
  const load = await run(call.make, { atLeast: 0, seconds });
  await sleep(settleMs);
  const to = await read();
  const running = native.status().every(({ state }) => state === "running");
  if (!running) throw new Error(`A process ended during "${call.name}".`);
  const of = (group: keyof typeof from) => to[group] - from[group];
  const groups = Object.fromEntries(costGroups.map((group) => [group, of(group)])) as Record<CostGroup, number>;
  return { ...load, cpu: groups, broker: of("broker"), caller: of("caller") };
}

let nextActor = 0;

/** Each call to the next actor, so that none has two at a time. */
async function run(make: Make, { atLeast, seconds }: { atLeast: number; seconds: number }): Promise<Load> {
  const startedAt = performance.now();
  const endAt = startedAt + seconds * 1_000;
  const latenciesMs: number[] = [];
  let begun = 0;
  const one = async () => {
    while (performance.now() < endAt || begun < atLeast) {
      begun += 1;
      const actor = nextActor++ % actors;
      const askedAt = performance.now();
      await make(actor);
      latenciesMs.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return { calls: latenciesMs.length, seconds: (performance.now() - startedAt) / 1_000, latenciesMs };
}

function rowOf({ name, messages }: Call, runs: readonly Measured[]): CallRow {
  const sum = (value: (run: Measured) => number) => runs.reduce((total, run) => total + value(run), 0);
  const calls = sum((run) => run.calls);
  const micros = (value: (run: Measured) => number) => (sum(value) / calls) * 1e6;
  const sorted = runs.flatMap((run) => run.latenciesMs).sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return {
    name,
    messagesPerCall: messages,
    callsPerSecond: calls / sum((run) => run.seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpu: Object.fromEntries(costGroups.map((group) => [group, micros(({ cpu }) => cpu[group])])) as CallRow["cpu"],
    apart: { broker: micros((run) => run.broker), caller: micros((run) => run.caller) },
  };
}

async function sizesOf({ native }: BenchSystem): Promise<{ twinBytes: number; receiptBytes: number }> {
  const client = new pg.Client({ connectionString: native.places.databaseUrl, application_name: "bench" });
  await client.connect();
  const { rows } = await client.query<{ twin: number; receipts: number }>(
    "select avg(length(state))::float as twin, avg(length(receipts))::float as receipts from twin_states",
  );
  await client.end();
  return { twinBytes: rows[0]?.twin ?? 0, receiptBytes: rows[0]?.receipts ?? 0 };
}
