import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type NativeKafka, startKafka } from "../../deploy/native/kafka.ts";
import { kafkaIsHere } from "../../deploy/native/testing.ts";
import { openKafkaPublisher } from "./kafka-publisher.ts";
import { openKafkaSource } from "./kafka-source.ts";
import { consumeAll, everything, telemetry, wanted } from "./kafka-testing.ts";
import { LogAway } from "./port.ts";
import { ensureTopics } from "./topics.ts";

/** A broker of this file's own: it is killed. */
let kafka: NativeKafka;
let folder: string;
beforeAll(async () => {
  if (!kafkaIsHere) return;
  folder = mkdtempSync(join(tmpdir(), "doppel-record-log-"));
  kafka = await startKafka({ folder });
}, 180_000);
afterAll(async () => {
  await kafka?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function aLog() {
  const options = { brokers: kafka.brokers, clientId: "doppel-test", prefix: `${randomUUID().slice(0, 8)}-` };
  await ensureTopics({ ...options, ...wanted });
  return options;
}

describe.skipIf(!kafkaIsHere)("with a broker that fails", () => {
  test("while the broker hangs publishing fails as LogAway, and all is there in order when it is back", async () => {
    const options = await aLog();
    const publisher = openKafkaPublisher({ ...options, awayAfterMs: 500 });
    onTestFinished(() => publisher.close());
    const records = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => telemetry("pump", from + index));
    // On a busy machine the first connection takes longer than this publisher waits: published again, as it asks for.
    await vi.waitFor(() => publisher.publish(records(0, 3)), { timeout: 20_000, interval: 10 });
    kafka.nodes[0]!.pause();
    const calls = [publisher.publish(records(3, 6)), publisher.publish(records(6, 9))];
    const failures = await Promise.all(calls.map((call) => call.catch((error: unknown) => error)));
    kafka.nodes[0]!.resume();
    for (const failure of failures) expect(failure).toBeInstanceOf(LogAway);
    await vi.waitFor(() => publisher.publish(records(3, 12)), { timeout: 20_000, interval: 10 });
    expect((await everything(options, 12)).map(({ id }) => id)).toEqual(records(0, 12).map(({ id }) => id));
  });

  test("a broker killed while records are published loses none that was acknowledged, nor a device's order", async () => {
    const options = await aLog();
    const publisher = openKafkaPublisher(options);
    onTestFinished(() => publisher.close());
    const seen = everything(options, 0);
    const acknowledged: number[] = [];
    let number = 0;
    const publishMore = async (count: number) => {
      const calls = Array.from({ length: count }, async () => {
        const mine = number++;
        await publisher.publish([telemetry(`pump-${mine % 7}`, mine)]);
        acknowledged.push(mine);
      });
      await Promise.all(calls);
    };
    await publishMore(500);
    const during = (async () => {
      for (let round = 0; round < 40; round += 1) await publishMore(50);
    })();
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(700), { timeout: 15_000, interval: 1 });
    await kafka.nodes[0]!.kill();
    await kafka.restart(0);
    await during;
    await seen; // reading began before the kill
    expect(acknowledged).toHaveLength(2_500);
    const records = await everything(options, 2_500);
    expect(records).toHaveLength(2_500);
    for (let pump = 0; pump < 7; pump += 1) {
      const numbers = records.filter(({ device }) => device === `pump-${pump}`).map(({ id }) => Number(id.slice(1)));
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
  });

  test("a consumer and a follower go on by themselves after their broker was killed", async () => {
    const options = await aLog();
    const publisher = openKafkaPublisher(options);
    onTestFinished(() => publisher.close());
    const taken = await consumeAll(options);
    const source = openKafkaSource({ ...options, backOff: { firstMs: 50, maxMs: 500 } });
    const followed: string[] = [];
    const following = await source.follow(
      ["iot-telemetry"],
      (records) => void followed.push(...records.map(({ id }) => id)),
    );
    onTestFinished(() => following.stop().then(source.close));
    await publisher.publish([telemetry("pump", 1)]);
    await vi.waitFor(() => expect(taken.ids).toEqual(["t1"]), { timeout: 10_000 });
    await kafka.nodes[0]!.kill();
    await kafka.restart(0);
    await publisher.publish([telemetry("pump", 2)]);
    await vi.waitFor(() => expect(taken.ids).toEqual(["t1", "t2"]), { timeout: 25_000 });
    expect(followed).toEqual(["t1", "t2"]);
  });
});
