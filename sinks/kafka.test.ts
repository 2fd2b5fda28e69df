import { describe, expect, onTestFinished, test, vi } from "vitest";
import { kafkaIsHere, testKafka } from "../deploy/native/testing.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { deadLettered, registered, telemetry } from "../ports/fleet-index/testing.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { testDatabase } from "../ports/postgres/testing.ts";
import { openKafkaPublisher } from "../ports/record-log/kafka-publisher.ts";
import { openKafkaSource } from "../ports/record-log/kafka-source.ts";
import type { PublishableRecord } from "../ports/record-log/port.ts";
import { ensureTopics } from "../ports/record-log/topics.ts";
import { pointsOf } from "../ports/time-series/contract.ts";
import { openPostgresTimeSeries } from "../ports/time-series/postgres.ts";
import { openSinks, type RunningSinks } from "./distributed.ts";
import { sinksSettings } from "./testing.ts";

const dayMs = 86_400_000;
const devices = Array.from({ length: 20 }, (_, number) => `pump-${number}`);
const startMs = Date.now() - 3_600_000;

describe.skipIf(!kafkaIsHere)("sinks of Kafka", { timeout: 120_000 }, () => {
  test("members that come and go leave nothing out and take nothing twice", async () => {
    const { publish, start, url } = await opened();
    await publish(0, 20);
    const first = start("first");
    await upToDate(first);
    await publish(20, 40);
    const second = start("second");
    await publish(40, 60);
    await upToDate(second);
    await publish(60, 80);
    await first.close();
    const takenByFirst = first.records();
    await publish(80, 100);
    // The lag is up to a second old: what was just published may not be in it.
    await vi.waitFor(
      () => {
        const { timeseries = 0, fleet = 0 } = second.records();
        expect(timeseries + (takenByFirst.timeseries ?? 0)).toBeGreaterThanOrEqual(100 * devices.length);
        expect(fleet + (takenByFirst.fleet ?? 0)).toBeGreaterThanOrEqual(106 * devices.length);
      },
      { timeout: 60_000, interval: 200 },
    );
    await upToDate(second);
    await second.close();

    const pool = openPool(url, { max: 2 });
    onTestFinished(() => pool.end());
    const series = await openPostgresTimeSeries(pool);
    const fleet = await openPostgresFleetIndex(pool);
    for (const device of devices) {
      const range = { device, metric: "count", fromMs: startMs, toMs: startMs + dayMs };
      const points = Array.from({ length: 100 }, (_, count) => ({ tsMs: startMs + count * 1_000, value: count }));
      expect(await pointsOf(series, range)).toEqual(points);
      expect(await fleet.device(device)).toMatchObject({ lastSeenMs: startMs + 99_000 });
    }
    expect(await fleet.deadLetterCounts()).toEqual({ "not-utf8": 5 * devices.length });
  });
});

async function upToDate(sinks: RunningSinks): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(sinks.ready()).toBe(true);
      expect(await sinks.lag()).toMatchObject({ timeseries: 0, fleet: 0 });
    },
    { timeout: 60_000, interval: 200 },
  );
}

async function opened() {
  const kafka = await testKafka();
  const database = await testDatabase();
  onTestFinished(async () => {
    await database.close();
    await kafka.close();
  });
  const { brokers, prefix } = kafka;
  const retentionMs = { "iot-telemetry": dayMs, "device-events": dayMs, "dead-letter": dayMs };
  await ensureTopics({ brokers, prefix, clientId: "doppel-test", partitions: 4, replication: 1, retentionMs });
  const publisher = openKafkaPublisher({ brokers, prefix, clientId: "doppel-test" });
  onTestFinished(() => publisher.close());

  /** A reading of each device a round, a dead letter each twenty rounds, the registration first. */
  async function publish(from: number, to: number): Promise<void> {
    const records: PublishableRecord[] = [];
    for (let round = from; round < to; round += 1) {
      for (const device of devices) {
        const atMs = startMs + round * 1_000;
        if (round === 0) records.push({ id: "r", device, record: registered({}, atMs) });
        if (round % 20 === 0) records.push({ id: `l${round}`, device, record: deadLettered("not-utf8", atMs) });
        records.push({ id: `t${round}`, device, record: telemetry(atMs, { count: round }) });
      }
    }
    await publisher.publish(records);
  }

  function start(name: string): RunningSinks {
    const source = openKafkaSource({ brokers, prefix, clientId: name, maxRecords: 50, lingerMs: 100 });
    const sinks = openSinks({ databaseUrl: database.url, source, ...sinksSettings() });
    onTestFinished(async () => {
      await sinks.close();
      await source.close();
    });
    return sinks;
  }

  return { publish, start, url: database.url };
}
