import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { s3IsHere, testS3 } from "../../deploy/native/testing.ts";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import { openMemoryDeviceTypes } from "../../ports/device-types/memory.ts";
import { openPostgresLog, openPostgresLogReader, type PostgresLog } from "../../ports/event-log/postgres.ts";
import { openPostgresFleetIndex } from "../../ports/fleet-index/postgres.ts";
import { openStore, type StoreSettings } from "../../ports/object-store/settings.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { openPostgresQualityStats } from "../../ports/quality-stats/postgres.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { archiveTarget } from "../archive/run.ts";
import { openConsumer } from "../consumer.ts";
import { fleetTarget } from "../fleet/run.ts";
import { qualityTarget } from "../quality/run.ts";
import { forever, sinksSettings } from "../testing.ts";
import { timeSeriesTarget } from "../timeseries/run.ts";
import { embeddedReplayLog } from "./log.ts";
import { type OpenReplay, openReplay, type ReplaySink } from "./open.ts";
import { openSchema } from "./place.ts";
import { positionOf } from "./position.ts";
import { type ReplayOutcome, type ReplayReport, runReplay } from "./run.ts";
import { dump, fleetStory, tablesOf } from "./testing.ts";

const hourMs = 3_600_000;
/** Hours that are over, all of one week. */
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs;
const nowMs = startMs + 10 * hourMs;
const minutes = 150;

let url: string;
let pool: pg.Pool;
let log: PostgresLog;
let folder: string;
beforeEach(async () => {
  const database = await testDatabase();
  folder = mkdtempSync(join(tmpdir(), "doppel-replay-"));
  url = database.url;
  pool = openPool(url, { max: 6 });
  log = await openPostgresLog(pool);
  const entries = fleetStory(startMs, minutes);
  for (let at = 0; at < entries.length; at += 50) await log.append(entries.slice(at, at + 50));
  return async () => {
    await log.close();
    await pool.end();
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  };
});

/** What the running system's sinks make of the log. */
async function sinksRan(store: StoreSettings = inFolder()): Promise<void> {
  const series = await openPostgresTimeSeries(pool);
  const fleet = await openPostgresFleetIndex(pool);
  const targets = [
    timeSeriesTarget(series, forever),
    fleetTarget(fleet, sinksSettings()),
    qualityTarget(await openPostgresQualityStats(pool), openMemoryDeviceTypes()),
    archiveTarget(await openParquetArchive(pool, await openStore(store)), { maxRows: 1_000, maxAgeMs: 1_000 }),
  ];
  for (const target of targets) {
    for (const chore of target.chores ?? []) if (chore.first) await chore.run(nowMs);
    const consumer = openConsumer(openPostgresLogReader(pool), target);
    for (;;) {
      const step = await consumer.step();
      if (step.kind === "failed") throw step.error;
      if (step.kind === "idle") break;
    }
    await target.close?.();
  }
  await series.refresh(nowMs);
}

function inFolder(): StoreSettings {
  return { place: folder, endpoint: "", region: "", accessKeyId: "", secretAccessKey: "" };
}

type Ask = Partial<Pick<OpenReplay, "into" | "anew">> & {
  from?: string;
  to?: string;
  /** Stops after so many batches. */
  batches?: number;
  store?: StoreSettings;
};

async function replay(
  sink: ReplaySink,
  { into = null, anew = false, from = "earliest", to = "latest", batches, store = inFolder() }: Ask = {},
) {
  const words = { from, to };
  const archive = { ...store, maxRows: 500, maxAgeMs: 60_000, retentionDays: null };
  const settings = sinksSettings({ archive });
  const opened = await openReplay({ sink, into, words, anew, pool, databaseUrl: url, settings, now: () => nowMs });
  const stop = new AbortController();
  const reports: (ReplayReport & { resumed: boolean })[] = [];
  const small = openPostgresLogReader(pool);
  try {
    const outcome: ReplayOutcome = await runReplay({
      ...{ work: opened.work, progress: opened.progress, words, stop: stop.signal },
      log: embeddedReplayLog({ ...small, read: (offset, atMost) => small.read(offset, Math.min(atMost, 100)) }),
      from: positionOf(from)!,
      to: positionOf(to)!,
      onProgress(report) {
        reports.push(report);
        if (reports.length - 1 === batches) stop.abort();
      },
    });
    return { outcome, reports };
  } finally {
    await opened.close();
  }
}

const inPlace = ["timeseries", "aggregates", "quality", "fleet"] as const;
const elsewhere = ["timeseries", "quality", "fleet"] as const;

describe.each(inPlace)("a replay of %s onto itself", (sink) => {
  test("changes nothing", async () => {
    await sinksRan();
    const tables = sink === "timeseries" ? [...tablesOf.timeseries, ...tablesOf.aggregates] : tablesOf[sink];
    const before = await dump(pool, tables);
    for (const rows of Object.values(before)) if (sink !== "quality") expect(rows.length).toBeGreaterThan(0);
    const { outcome } = await replay(sink);
    expect(outcome.kind).toBe("done");
    expect(await dump(pool, tables)).toEqual(before);
  });

  test("stopped and taken up again, it changes nothing either", async () => {
    await sinksRan();
    const before = await dump(pool, tablesOf[sink]);
    expect((await replay(sink, { batches: 2 })).outcome).toMatchObject({ kind: "stopped" });
    const { outcome, reports } = await replay(sink);
    expect(outcome.kind).toBe("done");
    expect(reports[0]).toMatchObject({ resumed: true });
    expect(reports[0]!.done).toBeGreaterThan(0);
    expect(await dump(pool, tablesOf[sink])).toEqual(before);
  });
});

describe.each(elsewhere)("a replay of %s into a new place", (sink) => {
  test("makes what the sink has made, stopped and taken up again on the way", async () => {
    await sinksRan();
    const tables = sink === "timeseries" ? [...tablesOf.timeseries, ...tablesOf.aggregates] : tablesOf[sink];
    const before = await dump(pool, tables);
    await replay(sink, { into: "twice", batches: 3 });
    await log.append([{ device: "pump-0", record: { kind: "seen", atMs: nowMs, why: "duplicate" } }]);
    const { outcome } = await replay(sink, { into: "twice" });
    expect(outcome).toMatchObject({ kind: "done" });
    expect(await dump(pool, tables, "twice")).toEqual(before);
    expect(await dump(pool, tables)).toEqual(before);
    await expect(replay(sink, { into: "twice" })).rejects.toMatchObject({ code: "PLACE_TAKEN" });
  });
});

async function inBucket(): Promise<StoreSettings> {
  const { endpoint, credentials, bucket, close } = await testS3();
  onTestFinished(close);
  return { place: `s3://${bucket}/doppel`, endpoint, region: "us-east-1", ...credentials };
}

const stores: [string, () => Promise<StoreSettings>][] = [["a folder", async () => inFolder()]];
if (s3IsHere) stores.push(["a bucket", inBucket]);

describe.each(stores)("a replay of the archive in %s", (_, settingsOf) => {
  test("onto itself changes nothing, and brings back files that were lost", { timeout: 120_000 }, async () => {
    const store = await settingsOf();
    await sinksRan(store);
    const before = await archived(pool, store);
    expect(before.readings).toHaveLength(minutes);
    expect((await replay("archive", { store })).outcome).toMatchObject({ kind: "done" });
    expect(await archived(pool, store)).toEqual(before);
    const opened = await openStore(store);
    await opened.delete(before.files[0]!);
    await opened.close();
    const { outcome } = await replay("archive", { store });
    expect(outcome).toMatchObject({ summary: expect.stringContaining("1 file was gone.") });
    expect((await archived(pool, store)).readings).toEqual(before.readings);
  });

  test("stopped and taken up again, onto itself and into a new place, it has each reading once", {
    timeout: 120_000,
  }, async () => {
    const store = await settingsOf();
    await sinksRan(store);
    const before = await archived(pool, store);
    await pool.query("delete from archive_files");
    await replay("archive", { batches: 4, store });
    await replay("archive", { store });
    expect((await archived(pool, store)).readings).toEqual(before.readings);
    await replay("archive", { into: "anew", batches: 4, store });
    expect((await replay("archive", { into: "anew", store })).outcome).toMatchObject({ kind: "done" });
    const place = await openSchema(pool, url, "anew");
    onTestFinished(() => place.end());
    const elsewhere = await archived(place, { ...store, place: `${store.place}/replay/anew` });
    expect(elsewhere.readings).toEqual(before.readings);
  });
});

async function archived(of: pg.Pool, settings: StoreSettings) {
  const store = await openStore(settings);
  const archive = await openParquetArchive(of, store);
  const readings = [];
  const range = { device: "pump-1", metric: "temperature", fromMs: 0, toMs: nowMs };
  for await (const batch of archive.readings(range)) readings.push(...batch);
  const files = await archive.files({ fromMs: 0, toMs: nowMs });
  await archive.close();
  await store.close();
  return { readings, files: files.map(({ key }) => key) };
}

describe("a replay", () => {
  test("brings back rows that were lost, and their aggregates", async () => {
    await sinksRan();
    const tables = [...tablesOf.timeseries, ...tablesOf.aggregates];
    const before = await dump(pool, tables);
    await pool.query("delete from telemetry where metric = 'temperature' and device_id < 'pump-3'");
    await pool.query("delete from telemetry_minutes where device_id = 'pump-1'");
    await replay("timeseries");
    await replay("aggregates");
    expect(await dump(pool, tables)).toEqual(before);
  });

  test("repairs figures of quality and lists of the fleet", async () => {
    await sinksRan();
    const tables = [...tablesOf.quality, ...tablesOf.fleet];
    const before = await dump(pool, tables);
    const middle = startMs + 60 * 60_000;
    await pool.query("update quality_minutes set accepted = accepted + 100 where start_ms = $1", [middle]);
    await pool.query("delete from device_events where device_id = 'pump-2'");
    await pool.query("update devices set status = 'online'");
    await replay("quality");
    await replay("fleet");
    expect(await dump(pool, tables)).toEqual(before);
  });

  test("in place goes no further than the sink itself has come, which goes on from there", async () => {
    await sinksRan();
    const end = await log.end();
    await log.append(fleetStory(nowMs, 20));
    const { outcome } = await replay("timeseries");
    expect(outcome).toMatchObject({ kind: "done", total: end });
    await replay("fleet");
    await sinksRan();
    const { rows } = await pool.query("select count(*)::integer as rows from telemetry");
    expect(rows[0].rows).toBe(fleetStory(startMs, minutes).concat(fleetStory(nowMs, 20)).reduce(readings, 0));
  });

  test("of a part, by offsets or times, has that part alone", async () => {
    const { outcome } = await replay("timeseries", { into: "part", from: "100", to: "250" });
    expect(outcome).toMatchObject({ kind: "done", total: 150 });
    const expected = fleetStory(startMs, minutes).slice(100, 250).reduce(readings, 0);
    expect((await dump(pool, ["telemetry"], "part")).telemetry).toHaveLength(expected);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    expect((await replay("timeseries", { into: "none", from: tomorrow })).outcome).toMatchObject({ total: 0 });
  });

  test("refuses what the log no longer has, and says what to do", async () => {
    await sinksRan();
    await log.trim({ offset: 120, epochMs: Number.MAX_SAFE_INTEGER / 1_000 });
    await expect(replay("timeseries", { from: "10" })).rejects.toThrow(/begins at offset 100.*--from earliest/s);
    await expect(replay("timeseries", { from: "2020-01-01" })).rejects.toMatchObject({ code: "NOT_IN_LOG" });
    await expect(replay("timeseries", { from: "200", to: "9999999" })).rejects.toThrow("Say --to latest");
    await expect(replay("fleet")).rejects.toThrow("--into NAME");
    await expect(replay("fleet", { into: "Fleet!" })).rejects.toMatchObject({ code: "BAD_PLACE" });
    await expect(replay("aggregates", { into: "nothing_here" })).rejects.toThrow(
      "--sink timeseries --into nothing_here",
    );
    onTestFinished(() => {});
  });

  test("begins again when asked to", async () => {
    await sinksRan();
    await replay("quality", { batches: 2 });
    const { reports } = await replay("quality", { anew: true });
    expect(reports[0]).toMatchObject({ resumed: false, done: 0 });
  });
});

function readings(sum: number, { record }: ReturnType<typeof fleetStory>[number]): number {
  return sum + (record.kind === "telemetry" ? Object.keys(record.readings).length : 0);
}
