/**
 * How long after its PUBACK a reading can be asked for: the embedded system as a process of its own, under a modest load,
 * and a device that publishes with QoS 1 and asks `GET /v1/query` each 10 ms until its reading is there.
 *
 *   node bench/history/delay.ts [--readings 200] [--rate 2000] [--json]
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import mqtt from "mqtt";
import { openBursts } from "../burst-generator.ts";
import { startDoppel } from "../system.ts";
import { percentile } from "./percentile.ts";

export type DelayReport = {
  readonly readings: number;
  /** Messages per second besides, of 200 devices; as they came to be acknowledged. */
  readonly perSecond: number;
  readonly pubackP50Ms: number;
  /** From the PUBACK to the answer that has it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

const device = "probe";
const metric = "level";
const pollMs = 10;
/** Not measured: a system that has just started compiles its code. */
const warmUpSeconds = 10;
/** Nobody would wait longer: something is broken. */
const patienceMs = 30_000;

export async function measureDelay({ readings = 200, rate = 2_000 } = {}): Promise<DelayReport> {
  const folder = await mkdtemp(join(tmpdir(), "doppel-bench-"));
  // Started by root, PostgreSQL runs as another user, who has to reach its folder.
  await chmod(folder, 0o711);
  const doppel = await startDoppel(join(folder, "data"));
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${doppel.port}`, { clientId: device });
  const fleet = await openBursts({ host: "127.0.0.1", port: doppel.port, prefix: "other-", devices: 200 });
  const url = `http://127.0.0.1:${doppel.httpPort}/v1/query?device_id=${device}&metric=${metric}`;

  async function probe(value: number): Promise<{ pubackMs: number; delayMs: number }> {
    const ts = Date.now();
    const sentMs = performance.now();
    await client.publishAsync(`devices/${device}/telemetry`, JSON.stringify({ ts, readings: { [metric]: value } }), {
      qos: 1,
    });
    const acknowledgedMs = performance.now();
    while (!(await isThere(`${url}&start=${ts}&end=${ts + 1}`, value))) {
      if (performance.now() - acknowledgedMs > patienceMs)
        throw new Error(`a reading could not be asked for ${patienceMs / 1_000} s after it was acknowledged`);
      await pause(pollMs);
    }
    return { pubackMs: acknowledgedMs - sentMs, delayMs: performance.now() - acknowledgedMs };
  }

  try {
    // Time for a reading each 400 ms; where they take longer, there are fewer.
    const seconds = warmUpSeconds + Math.ceil(readings * 0.4);
    const startMs = performance.now();
    const sending = fleet.send({ size: 1, rate, seconds });
    for (let number = -1; performance.now() < startMs + warmUpSeconds * 1_000; number -= 1) await probe(number);
    const found: Awaited<ReturnType<typeof probe>>[] = [];
    const untilMs = startMs + seconds * 1_000;
    while (found.length < readings && performance.now() < untilMs) {
      found.push(await probe(found.length));
      // Not in step with the sink's commits.
      await pause((found.length * 37) % 100);
    }
    const sent = await sending;
    const delays = found.map(({ delayMs }) => delayMs);
    return {
      ...{ readings: found.length, perSecond: Math.round(sent.messages / sent.seconds) },
      pubackP50Ms: percentile(
        found.map(({ pubackMs }) => pubackMs),
        0.5,
      ),
      ...{ p50Ms: percentile(delays, 0.5), p99Ms: percentile(delays, 0.99), maxMs: percentile(delays, 1) },
    };
  } finally {
    fleet.close();
    await client.endAsync(true);
    await doppel.stop("SIGTERM");
    await rm(folder, { recursive: true, force: true });
  }
}

/** The metric is unknown (404) until its first reading is there. */
async function isThere(url: string, value: number): Promise<boolean> {
  const response = await fetch(url);
  const answer = (await response.json()) as { series?: { points: { value: number }[] }[] };
  if (!response.ok && response.status !== 404) throw new Error(`${response.status}: ${JSON.stringify(answer)}`);
  return answer.series?.[0]?.points.some((point) => point.value === value) ?? false;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      readings: { type: "string", default: "200" },
      rate: { type: "string", default: "2000" },
      json: { type: "boolean", default: false },
    },
  });
  const report = await measureDelay({ readings: Number(values.readings), rate: Number(values.rate) });
  if (values.json) console.log(JSON.stringify(report));
  else console.table(report);
}
