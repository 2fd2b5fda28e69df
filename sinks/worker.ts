/**
 * The sinks' thread: every sink, retention, and a small pool of its own, so that neither decoding the log nor encoding
 * rows takes time from the messages. Started by thread.ts.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { PoolClient } from "pg";
import { openPostgresLogReader } from "../ports/event-log/postgres.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { openPostgresTimeSeries } from "../ports/time-series/postgres.ts";
import { openPostgresTwinStore } from "../ports/twin-store/postgres.ts";
import { openConsumer } from "./consumer.ts";
import { fleetTarget } from "./fleet/run.ts";
import { runLoop } from "./loop.ts";
import { type FromWorker, type ToWorker, threadName, type WorkerData } from "./messages.ts";
import { lowerSession, lowerThread } from "./priority.ts";
import { retain } from "./retention.ts";
import { sharedReads } from "./shared-reads.ts";
import { timeSeriesTarget } from "./timeseries/run.ts";

const statsMs = 250;
const retentionMs = 3_600_000;
const retentionRetryMs = 60_000;

const main = parentPort!;
const config = workerData as WorkerData;
const tell = (message: FromWorker) => main.postMessage(message);
const warn = (what: string, error: Error) => tell({ kind: "warning", message: `${what}: ${error.message}` });

const pool = openPool(config.databaseUrl, {
  max: 4,
  name: "doppel-sinks",
  onIdleError: (error) => warn("database connection lost", error),
});
lowerThread(threadName);
pool.on("connect", (client: PoolClient & { host?: string; processID?: number | null }) => {
  // Only over a Unix socket: over TCP the number is one of another machine, perhaps.
  if (client.host?.startsWith("/")) lowerSession(client.processID);
});
const log = openPostgresLogReader(pool);
const series = await openPostgresTimeSeries(pool);
const fleet = await openPostgresFleetIndex(pool);
const twins = await openPostgresTwinStore(pool);

// Before the first row: it makes the partitions of these days.
let retention: NodeJS.Timeout;
let retaining = keepRetention();
await retaining;

const reads = sharedReads(log);
const consumers = {
  timeseries: openConsumer(reads, timeSeriesTarget(series)),
  fleet: openConsumer(reads, fleetTarget(fleet)),
};
const loops = Object.values(consumers).map((consumer) =>
  runLoop(consumer, { onFailure: (name, error) => warn(`the ${name} sink failed and tries again`, error) }),
);
const telling = setInterval(tellStats, statsMs);

main.on("message", (message: ToWorker) => {
  if (message.kind === "signal") for (const loop of loops) loop.signal();
  else void stop();
});
tell({ kind: "ready" });

function tellStats(): void {
  tell({ kind: "stats", sinks: { timeseries: consumers.timeseries.stats(), fleet: consumers.fleet.stats() } });
}

/** Once, and again each hour; sooner if it failed. */
async function keepRetention(): Promise<void> {
  let nextMs = retentionMs;
  try {
    await retain({ series, fleet, log, twins }, config, Date.now());
  } catch (error) {
    warn("retention failed and is tried again in a minute", error as Error);
    nextMs = retentionRetryMs;
  }
  retention = setTimeout(() => {
    retaining = keepRetention();
  }, nextMs);
}

async function stop(): Promise<void> {
  clearInterval(telling);
  await Promise.all(loops.map((loop) => loop.stop()));
  await retaining;
  clearTimeout(retention);
  tellStats();
  await pool.end();
  main.close();
}
