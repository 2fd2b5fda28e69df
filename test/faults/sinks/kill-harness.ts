/** A sink stopped at one of its steps over a copy of one log, and what is there when another has gone on. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import pg from "pg";
import { testClickHouse } from "../../../deploy/native/testing.ts";
import { openParquetArchive } from "../../../ports/archive/parquet.ts";
import { openPostgresLog } from "../../../ports/event-log/postgres.ts";
import { openObjectStore } from "../../../ports/object-store/open.ts";
import { openPool } from "../../../ports/postgres/pool.ts";
import { testDatabase } from "../../../ports/postgres/testing.ts";
import { devices, dump, fleetStory, rounded, tablesOf } from "../../../sinks/replay/testing.ts";
import { mayChange, stepsUntil, watchPool } from "./fault-point.ts";
import type { Mutant } from "./mutants.ts";
import { type FaultSink, openSinkRun, type SinkScene } from "./sink-run.ts";

const hourMs = 3_600_000;
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs;
const nowMs = startMs + 10 * hourMs;
/** Few, so that all points are tried in a while: three batches. */
const pumps = devices.slice(0, 2);
const minutes = 15;
const batch = 24;

export type Outcome = Record<string, readonly unknown[]>;

/** Places at which a sink can die, over one log. */
export type KillHarness = {
  /** Nothing happens: the points that differ (F3), without the end, and what is there then. */
  undisturbed(): Promise<{ readonly points: readonly string[]; readonly outcome: Outcome }>;
  /**
   * Dies at the point ("end": after the last step); another goes on; what is there then.
   * "cut": its connections are cut and nothing of it goes on, which is all that others see of a kill.
   * "kill": a process of its own, by kill -9.
   */
  outcomeAfter(point: string, how: "cut" | "kill"): Promise<Outcome>;
  close(): Promise<void>;
};

/** @param mutant a sink that is wrong, to see that it is found */
export async function openKillHarness(sink: FaultSink, mutant: Mutant | null = null): Promise<KillHarness> {
  const { copy, close } = await prepared(sink, mutant);
  return {
    async undisturbed() {
      const scene = await copy();
      const points = (await cutAt(scene, null)).filter(mayChange);
      const found = await outcome(scene);
      await scene.close();
      return { points, outcome: found };
    },
    async outcomeAfter(point, how) {
      const scene = await copy();
      await (how === "kill" ? killedAt(scene, point) : cutAt(scene, point));
      const pool = openPool(scene.url, { max: 4 });
      await (await openSinkRun(pool, scene)).toTheEnd();
      await pool.end();
      const found = await outcome(scene);
      await scene.close();
      return found;
    },
    close,
  };
}

type Copy = SinkScene & { readonly url: string; close(): Promise<void> };

/** A log and the sink's tables, to be copied for each kill. */
async function prepared(
  sink: FaultSink,
  mutant: Mutant | null,
): Promise<{ copy(): Promise<Copy>; close(): Promise<void> }> {
  const database = await testDatabase();
  const folder = mkdtempSync(join(tmpdir(), "doppel-sink-faults-"));
  const pool = openPool(database.url, { max: 4 });
  const log = await openPostgresLog(pool);
  const entries = fleetStory(startMs + 50 * 60_000, minutes, pumps); // over a full hour
  for (let at = 0; at < entries.length; at += batch) await log.append(entries.slice(at, at + batch));
  const scene = { sink, mutant, nowMs, batch };
  const original = join(folder, "original");
  mkdirSync(original);
  // Makes its tables. Those of ClickHouse are not copied: each scene has a database of its own.
  if (sink !== "clickhouse") await openSinkRun(pool, { ...scene, folder: original, clickhouseUrl: "" });
  await log.close();
  await pool.end();

  let copies = 0;
  return {
    async copy() {
      copies += 1;
      const url = new URL(database.url);
      const name = `${url.pathname.slice(1)}_${copies}`;
      await administer(database.url, `create database ${name} template ${url.pathname.slice(1)} strategy file_copy`);
      url.pathname = `/${name}`;
      const own = join(folder, String(copies));
      cpSync(original, own, { recursive: true });
      const clickhouse = sink === "clickhouse" ? await testClickHouse() : null;
      const close = async () => {
        await administer(database.url, `drop database ${name} with (force)`);
        rmSync(own, { recursive: true, force: true });
        await clickhouse?.close();
      };
      return { ...scene, folder: own, clickhouseUrl: clickhouse?.url ?? "", url: url.href, close };
    },
    async close() {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** From another database of the server: nobody may be in the one that is copied. */
async function administer(url: string, statement: string): Promise<void> {
  const elsewhere = new URL(url);
  elsewhere.pathname = "/postgres";
  const client = new pg.Client({ connectionString: elsewhere.href });
  await client.connect();
  await client.query(statement);
  await client.end();
}

/** Runs to the point, and no further; gives the steps on the way. Null: to its end. */
async function cutAt(scene: Copy, point: string | null): Promise<readonly string[]> {
  const clients: pg.PoolClient[] = [];
  const died = Promise.withResolvers<void>();
  let dead: Promise<never> | undefined;
  const { step, taken } = stepsUntil(point, () => {
    dead = new Promise<never>(() => {});
    for (const client of clients) (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
    died.resolve();
    return dead;
  });
  let armed = false;
  const pool = openPool(scene.url, { max: 4 });
  pool.on("connect", (client) => {
    clients.push(client);
    client.on("error", () => {}); // cut
  });
  const whenArmed = (name: string) => dead ?? (armed ? step(name) : undefined);
  watchPool(pool, whenArmed);
  const run = await openSinkRun(pool, scene, whenArmed);
  armed = true;
  await Promise.race([run.toTheEnd(), died.promise]);
  run.cut();
  if (dead === undefined) await pool.end();
  if (point !== null && point !== "end" && dead === undefined) throw new Error(`${point} was not reached`);
  return taken;
}

/** The same in a process of its own, by kill -9. */
function killedAt({ close: _, ...scene }: Copy, point: string): Promise<void> {
  const program = join(import.meta.dirname, "sink-process.ts");
  const env = { ...process.env, DOPPEL_FAULT_SCENE: JSON.stringify(scene), DOPPEL_FAULT_POINT: point };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error?.signal === "SIGKILL" && !error.killed) return resolve();
      reject(new Error(`It was not killed at ${point}: ${stderr || stdout || error?.message}`));
    });
  });
}

async function outcome({ sink, url, folder, clickhouseUrl }: Copy): Promise<Outcome> {
  if (sink === "clickhouse") return await analysed(clickhouseUrl);
  const pool = openPool(url, { max: 2 });
  try {
    if (sink === "archive") return await archived(pool, folder);
    return await dump(pool, sink === "timeseries" ? [...tablesOf.timeseries, ...tablesOf.aggregates] : tablesOf[sink]);
  } finally {
    await pool.end();
  }
}

/** Readings, and how many rows the listed files say they have. What is not listed waits to be deleted. */
async function archived(pool: pg.Pool, folder: string): Promise<Outcome> {
  const store = await openObjectStore(folder);
  const archive = await openParquetArchive(pool, store);
  const readings: unknown[] = [];
  for (const device of pumps)
    for (const metric of await archive.metrics(device))
      for await (const some of archive.readings({ device, metric, fromMs: 0, toMs: nowMs * 2 }))
        readings.push(...some.map((reading) => [device, metric, reading]));
  const files = await archive.files({ fromMs: 0, toMs: nowMs * 2 });
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  const { rows: removed } = await pool.query("select key from archive_removed");
  const known = new Set([...files, ...removed].map(({ key }) => key));
  for await (const { key } of store.list("telemetry/"))
    if (key.endsWith(".parquet") && !known.has(key)) throw new Error(`${key} is in no list`);
  await archive.close();
  await store.close();
  return { readings, rows: [rows] };
}

async function analysed(url: string): Promise<Outcome> {
  const client = createClient({ url });
  const all: Record<string, readonly unknown[]> = {};
  for (const table of ["readings", "readings_minute", "readings_hour"]) {
    const answer = await client.query({ query: `select * from ${table} final`, format: "JSONEachRow" });
    all[table] = (await answer.json()).map((row) => JSON.stringify(row, rounded)).sort();
  }
  await client.close();
  return all;
}
