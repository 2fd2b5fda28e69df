/** Ingest: CPU per 100k acknowledged messages and the time to the PUBACK, beside the reference in the same run. */
import pg from "pg";
import type { Load } from "./load-generator.ts";
import { childrenOf, cpuSecondsOf, cpuSecondsOfThread } from "./processes.ts";
import { load, type StartedDoppel, startReference } from "./system.ts";

export type IngestRow = {
  readonly name: string;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU seconds per 100k messages: taking, deciding, committing and acknowledging (Node's main thread and PostgreSQL's log). */
  readonly ingestCpu: number;
  /** The sinks on top: their thread and their share of PostgreSQL. */
  readonly sinksCpu: number;
  /** The reference's. */
  readonly referenceCpu: number;
  readonly referencePerSecond: number;
};

type Scenario = Omit<Load, "host" | "port" | "prefix" | "seconds" | "warmUpSeconds"> & { readonly name: string };

const scenarios: readonly Scenario[] = [
  { name: "33k/s over 1,000 connections", connections: 1_000, rate: 33_000, inFlight: 50 },
  { name: "saturated, 200 connections × 20 in flight", connections: 200, rate: 0, inFlight: 20 },
  { name: "one in flight, 1,000 connections", connections: 1_000, rate: 0, inFlight: 1 },
];

export async function measureIngest(
  doppel: StartedDoppel,
  seconds: number,
  say: (line: string) => void,
): Promise<IngestRow[]> {
  const rows: IngestRow[] = [];
  for (const [index, scenario] of scenarios.entries()) {
    say(`ingest: ${scenario.name} …`);
    const options = { ...scenario, host: "127.0.0.1", seconds, warmUpSeconds: 4 };
    const reference = await startReference();
    const before = cpuSecondsOf(reference.pid);
    const bare = await load({ ...options, port: reference.port, prefix: "ref-" });
    const bareCpu = cpuSecondsOf(reference.pid) - before;
    await reference.stop("SIGTERM");

    const meter = await openMeter(doppel);
    const from = await meter.read();
    const sent = load({ ...options, port: doppel.port, prefix: `bench${index}-` });
    const result = await sent;
    const to = await meter.read();
    await meter.close();
    const messages = to.messages - from.messages;
    const per100k = (cpu: number) => (cpu / messages) * 100_000;
    rows.push({
      name: scenario.name,
      perSecond: result.acknowledged / result.seconds,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      ingestCpu: per100k(to.ingest - from.ingest),
      sinksCpu: per100k(to.sinks - from.sinks),
      // The generator's warm-up is in both counts; the reference counts no messages, so its share is taken by time.
      referenceCpu: (bareCpu / ((bare.acknowledged / bare.seconds) * (bare.seconds + options.warmUpSeconds))) * 100_000,
      referencePerSecond: bare.acknowledged / bare.seconds,
    });
    await caughtUp(doppel);
  }
  return rows;
}

type Reading = { readonly messages: number; readonly ingest: number; readonly sinks: number };

/** Tells ingest and sinks apart: by thread in Node, by connection in PostgreSQL (what is nobody's counts as ingest). */
async function openMeter(doppel: StartedDoppel) {
  const client = new pg.Client({ connectionString: doppel.databaseUrl, application_name: "bench" });
  await client.connect();
  return {
    async read(): Promise<Reading> {
      const { rows } = await client.query<{ pid: number; application_name: string }>(
        "select pid, application_name from pg_stat_activity where application_name <> ''",
      );
      const nameOf = new Map(rows.map(({ pid, application_name }) => [pid, application_name]));
      const [postmaster] = childrenOf(doppel.pid);
      let ingest = cpuSecondsOf(doppel.pid);
      let sinks = cpuSecondsOfThread(doppel.pid, "sinks");
      ingest -= sinks;
      for (const pid of [postmaster!, ...childrenOf(postmaster!)]) {
        const name = nameOf.get(pid) ?? "";
        if (name.includes("sink")) sinks += cpuSecondsOf(pid);
        else if (name !== "bench") ingest += cpuSecondsOf(pid);
      }
      const metrics = await (await fetch(`http://127.0.0.1:${doppel.httpPort}/metrics`)).text();
      const messages = Number(/doppel_mqtt_acknowledged_total (\d+)/.exec(metrics)?.[1] ?? 0);
      return { messages, ingest, sinks };
    },
    close: () => client.end(),
  };
}

/** Waits until the sinks have taken everything in, so that one scenario's rest does not burden the next. */
async function caughtUp(doppel: StartedDoppel): Promise<void> {
  for (let tried = 0; tried < 600; tried += 1) {
    const stats = (await (await fetch(`http://127.0.0.1:${doppel.httpPort}/v1/stats`)).json()) as {
      sinkLag: Record<string, number>;
    };
    if (Object.values(stats.sinkLag).every((lag) => lag < 100)) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error("the sinks did not catch up in five minutes");
}
