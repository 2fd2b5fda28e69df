import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { kafkaIsHere, type TestKafka, testKafka } from "../../deploy/native/testing.ts";
import { openMemoryDeviceTypes } from "../../ports/device-types/memory.ts";
import { openPostgresFleetIndex } from "../../ports/fleet-index/postgres.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { openPostgresQualityStats } from "../../ports/quality-stats/postgres.ts";
import { openKafkaClient } from "../../ports/record-log/kafka-client.ts";
import { openKafkaPublisher } from "../../ports/record-log/kafka-publisher.ts";
import { openKafkaSource } from "../../ports/record-log/kafka-source.ts";
import { wanted } from "../../ports/record-log/kafka-testing.ts";
import { ensureTopics } from "../../ports/record-log/topics.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { fleetTarget } from "../fleet/run.ts";
import { openPartitionSink } from "../partition-sink.ts";
import { qualityTarget } from "../quality/run.ts";
import type { SinkTarget } from "../target.ts";
import { forever, sinksSettings } from "../testing.ts";
import { timeSeriesTarget } from "../timeseries/run.ts";
import { kafkaReplayLog } from "./log.ts";
import { type OpenReplay, openReplay, type ReplaySink } from "./open.ts";
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
  const options = { brokers: kafka.brokers, clientId: "doppel-test", prefix: `${kafka.prefix}${name}-` };
  await ensureTopics({ ...options, ...wanted });
  const publisher = openKafkaPublisher(options);
  const source = openKafkaSource({ ...options, maxRecords: 100, backOff: { firstMs: 50, maxMs: 500 } });
  onTestFinished(async () => {
    await publisher.close();
    await source.close();
    await pool.end();
    await database.close();
  });
  let replays = 0;

  return {
    pool,
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
      ];
      for (const target of targets) {
        for (const chore of target.chores ?? []) if (chore.first) await chore.run(nowMs);
        const sink = openPartitionSink(target);
        const { topics } = target;
        const consumption = await source.consume({ group: `doppel-${target.name}`, topics, ...sink });
        await vi.waitFor(
          async () => {
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
      const settings = sinksSettings();
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
