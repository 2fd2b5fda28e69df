import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { kafkaIsHere, type TestKafka, testKafka } from "../../deploy/native/testing.ts";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import { openMemoryDeviceTypes } from "../../ports/device-types/memory.ts";
import { openPostgresFleetIndex } from "../../ports/fleet-index/postgres.ts";
import { openObjectStore } from "../../ports/object-store/open.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { openPostgresQualityStats } from "../../ports/quality-stats/postgres.ts";
import { openKafkaClient } from "../../ports/record-log/kafka-client.ts";
import { openKafkaPublisher } from "../../ports/record-log/kafka-publisher.ts";
import { openKafkaSource } from "../../ports/record-log/kafka-source.ts";
import { wanted } from "../../ports/record-log/kafka-testing.ts";
import { ensureTopics } from "../../ports/record-log/topics.ts";
import type { SeriesReading } from "../../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { archiveTarget } from "../archive/run.ts";
import { fleetTarget } from "../fleet/run.ts";
import { openPartitionSink, partitionOf } from "../partition-sink.ts";
import { qualityTarget } from "../quality/run.ts";
import type { SinkTarget } from "../target.ts";
import { forever, sinksSettings } from "../testing.ts";
import { timeSeriesTarget } from "../timeseries/run.ts";
import { kafkaReplayLog } from "./log.ts";
import { type OpenReplay, openReplay, type ReplaySink } from "./open.ts";
import { openSchema } from "./place.ts";
import { positionOf } from "./position.ts";
import { runReplay } from "./run.ts";
import { dump, fleetStory, tablesOf } from "./testing.ts";

const hourMs = 3_600_000;
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs;
const nowMs = startMs + 10 * hourMs;

let kafka: TestKafka;
beforeAll(async () => {
  if (kafkaIsHere) kafka = await testKafka();
}, 180_000);
afterAll(() => kafka?.close());

describe.skipIf(!kafkaIsHere)("a replay of Kafka", { timeout: 180_000 }, () => {
  test("rebuilds each sink's tables, in place and elsewhere, stopped and taken up again", async () => {
    const { publish, sinksRan, replay, pool } = await opened("whole");
    const story = fleetStory(startMs, 120);
    await publish(story);
    await publish(story.slice(-20)); // copies, as a crash makes them
    await sinksRan();
    const tables = [...tablesOf.timeseries, ...tablesOf.aggregates, ...tablesOf.quality, ...tablesOf.fleet];
    const before = await dump(pool, tables);
    expect(before.telemetry).toHaveLength(
      story.reduce(
        (sum, { record }) => sum + (record.kind === "telemetry" ? Object.keys(record.readings).length : 0),
        0,
      ),
    );

    for (const sink of ["timeseries", "aggregates", "quality", "fleet"] as const) {
      const stopped = await replay(sink, { batches: 1 });
      expect(stopped.kind).toBe("stopped");
      expect(await replay(sink)).toMatchObject({ kind: "done" });
    }
    expect(await dump(pool, tables)).toEqual(before);
    // What the running sink has put together over partitions, and what is wrong, is exchanged as well.
    const stats = await openPostgresQualityStats(pool);
    await stats.maintain({ mergeBeforeMs: nowMs, minutesBeforeMs: 0, hoursBeforeMs: 0 });
    await pool.query("update quality_minutes set accepted = 0 where start_ms < $1", [startMs + 60 * 60_000]);
    await replay("quality");
    expect(await dump(pool, tables)).toEqual(before);

    for (const sink of ["timeseries", "quality", "fleet"] as const) {
      await replay(sink, { into: "twice", batches: 1 });
      await replay(sink, { into: "twice" });
    }
    expect(await dump(pool, tables, "twice")).toEqual(before);
  });

  test("brings files of the archive back, and makes a new archive, stopped and taken up again", async () => {
    const { publish, sinksRan, replay, archived, folder, pool, url } = await opened("archive");
    const story = fleetStory(startMs, 60);
    await publish(story);
    await publish(story.slice(-20));
    await sinksRan();
    const before = await archived();
    expect(new Set(before.map(({ tsMs }) => tsMs)).size).toBe(60);
    for (const { name, parentPath } of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (name.endsWith(".parquet")) rmSync(join(parentPath, name));
    expect(await replay("archive", { batches: 1 })).toMatchObject({ kind: "stopped" });
    expect(await replay("archive")).toMatchObject({ kind: "done" });
    expect(await archived()).toEqual(before);
    await replay("archive", { into: "anew", batches: 1 });
    expect(await replay("archive", { into: "anew" })).toMatchObject({ kind: "done" });
    const place = await openSchema(pool, url, "anew");
    onTestFinished(() => place.end());
    expect(await archived(place, join(folder, "replay", "anew"))).toEqual(before);
  });

  test("finds times in it, and refuses what it no longer has", async () => {
    const { publish, replay, pool, deleteBefore } = await opened("times");
    await publish(fleetStory(startMs, 5));
    await vi.waitFor(() => expect(Date.now() % 100).toBeLessThan(90)); // Kafka's times are whole ms
    const between = new Date(Date.now() + 1).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const later = fleetStory(nowMs, 5);
    await publish(later);
    expect(await replay("timeseries", { into: "later", from: between })).toMatchObject({ kind: "done" });
    const { rows } = await pool.query("select min(received_at) as first from later.telemetry");
    expect(rows[0].first.getTime()).toBeGreaterThanOrEqual(nowMs);
    await deleteBefore(3);
    await expect(replay("timeseries", { into: "gone", from: "0" })).rejects.toMatchObject({ code: "NOT_IN_LOG" });
  });
});

async function opened(name: string) {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 12 });
  const folder = mkdtempSync(join(tmpdir(), "doppel-replay-"));
  const options = { brokers: kafka.brokers, clientId: "doppel-test", prefix: `${kafka.prefix}${name}-` };
  await ensureTopics({ ...options, ...wanted });
  const publisher = openKafkaPublisher(options);
  const source = openKafkaSource({ ...options, maxRecords: 100, backOff: { firstMs: 50, maxMs: 500 } });
  onTestFinished(async () => {
    await publisher.close();
    await source.close();
    await pool.end();
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });
  let replays = 0;

  return {
    pool,
    url: database.url,
    folder,
    publish: (story: ReturnType<typeof fleetStory>) =>
      publisher.publish(
        story.map(({ device, record }) => ({ id: JSON.stringify([record.kind, record.atMs]), device, record })),
      ),

    async sinksRan() {
      const series = await openPostgresTimeSeries(pool);
      const fleet = await openPostgresFleetIndex(pool);
      const targets: SinkTarget[] = [
        timeSeriesTarget(series, forever),
        fleetTarget(fleet, sinksSettings()),
        qualityTarget(await openPostgresQualityStats(pool), openMemoryDeviceTypes()),
        archiveTarget(await openParquetArchive(pool, await openObjectStore(folder)), { maxRows: 500, maxAgeMs: 1_000 }),
      ];
      for (const target of targets) {
        for (const chore of target.chores ?? []) if (chore.first) await chore.run(nowMs);
        const sink = openPartitionSink(target);
        const { topics } = target;
        const { storedIn = target.progressIn } = target;
        const consumption = await source.consume({
          ...{ group: `doppel-${target.name}`, topics, ...sink },
          stored: (partition) => storedIn(partitionOf(partition)),
        });
        await vi.waitFor(
          async () => {
            if (target.storedIn !== undefined) await target.close?.(); // what it has gathered
            for (const { progress, end } of await consumption.lag()) expect(progress).toBeGreaterThanOrEqual(end);
          },
          { timeout: 60_000, interval: 100 },
        );
        await consumption.stop();
        await target.close?.();
      }
      await series.refresh(nowMs);
    },

    async replay(
      sink: ReplaySink,
      {
        into = null,
        from = "earliest",
        batches,
      }: Partial<Pick<OpenReplay, "into">> & { from?: string; batches?: number } = {},
    ) {
      const words = { from, to: "latest" };
      const store = { place: folder, endpoint: "", region: "", accessKeyId: "", secretAccessKey: "" };
      const settings = sinksSettings({ archive: { ...store, maxRows: 500, maxAgeMs: 60_000, retentionDays: null } });
      const asked = { sink, into, words, anew: false, pool, databaseUrl: database.url, settings, now: () => nowMs };
      const { work, progress, close } = await openReplay(asked);
      const stop = new AbortController();
      let reports = 0;
      try {
        replays += 1;
        return await runReplay({
          ...{ work, progress, words, stop: stop.signal, from: positionOf(from)!, to: positionOf("latest")! },
          log: kafkaReplayLog(source, `replay-${replays}`, () => {}),
          onProgress() {
            if (reports === batches) stop.abort();
            reports += 1;
          },
        });
      } finally {
        await close();
      }
    },

    /** Temperatures of one device. */
    async archived(of = pool, where = folder) {
      const store = await openObjectStore(where);
      const archive = await openParquetArchive(of, store);
      const readings: SeriesReading[] = [];
      const range = { device: "pump-1", metric: "temperature", fromMs: 0, toMs: nowMs };
      for await (const some of archive.readings(range)) readings.push(...some);
      await archive.close();
      await store.close();
      return readings;
    },

    async deleteBefore(offset: number) {
      const admin = openKafkaClient(options).admin();
      await admin.connect();
      const topic = `${options.prefix}iot-telemetry`;
      const kept = await admin.fetchTopicOffsets(topic);
      const partitions = kept
        .filter(({ high }) => Number(high) > offset)
        .map(({ partition }) => ({ partition, offset: String(offset) }));
      await admin.deleteTopicRecords({ topic, partitions });
      await admin.disconnect();
    },
  };
}
