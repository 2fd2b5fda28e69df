/**
 * The sinks' thread: every sink with its chores, the log's retention, and a small pool of its own, so that neither decoding
 * the log nor encoding rows takes time from the messages. Started by thread.ts.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { PoolClient } from "pg";
import { openPostgresLogReader } from "../ports/event-log/postgres.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { RunningTotals } from "../ports/quality-stats/totals.ts";
import { openPostgresTwinStore } from "../ports/twin-store/postgres.ts";
import { runFirstChores, startChores } from "./chores.ts";
import { defaultLimits, openConsumer } from "./consumer.ts";
import { defaultTimes, runLoop } from "./loop.ts";
import { type FromWorker, type ToWorker, threadName, type WorkerData } from "./messages.ts";
import { lowerSession, lowerThread } from "./priority.ts";
import { trimLog } from "./retention.ts";
import { sharedReads } from "./shared-reads.ts";
import type { SinkTarget } from "./target.ts";
import { openTargets } from "./targets.ts";

const statsMs = 250;
const qualityMs = 2_000;
const trimMs = 3_600_000;

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
const twins = await openPostgresTwinStore(pool);
const quality = new RunningTotals();
const targets = await openTargets(pool, config, {
  counted: (rows) => quality.add(rows),
  tell: (message) => tell({ kind: "warning", message }),
});
// Before the first row: they make the partitions of these days.
await runFirstChores(targets, Date.now);

const reads = sharedReads(log);
const limits = { ...defaultLimits, maxRecords: config.batchRecords };
const times = { ...defaultTimes, lingerMs: config.lingerMs };
const sinks = targets.map((target) => ({ target, consumer: openConsumer(reads, target, limits) }));
const loops = sinks.map(({ consumer }) =>
  runLoop(consumer, { times, onFailure: (name, error) => warn(`the ${name} sink failed and tries again`, error) }),
);
const chores = startChores([...targets, ofTheLog(targets)], { now: Date.now, onTrouble: warn });
const telling = [setInterval(tellStats, statsMs), setInterval(tellQuality, qualityMs)];

main.on("message", (message: ToWorker) => {
  if (message.kind === "signal") for (const loop of loops) loop.signal();
  else void stop();
});
tellStats();
tell({ kind: "ready" });

function tellStats(): void {
  const stats = sinks.map(
    ({ target, consumer }) => [target.name, { ...consumer.stats(), breaker: target.breaker?.() ?? null }] as const,
  );
  tell({ kind: "stats", sinks: Object.fromEntries(stats) });
}

function tellQuality(): void {
  tell({ kind: "quality", totals: quality.totals() });
}

/** No sink, but a chore like theirs. */
function ofTheLog(sinks: readonly SinkTarget[]): Pick<SinkTarget, "name" | "chores"> {
  const run = async (nowMs: number) => void (await trimLog({ log, twins, sinks }, config.logRetentionMs, nowMs));
  return { name: "log", chores: [{ name: "retention", everyMs: trimMs, run }] };
}

async function stop(): Promise<void> {
  for (const timer of telling) clearInterval(timer);
  await Promise.all(loops.map((loop) => loop.stop()));
  await chores.stop();
  for (const { name, close } of targets)
    await close?.().catch((error: Error) => warn(`the ${name} sink did not store all that it had gathered`, error));
  tellStats();
  await pool.end();
  main.close();
}
