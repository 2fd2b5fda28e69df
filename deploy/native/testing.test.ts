import { Redis } from "ioredis";
import { Kafka, logLevel } from "kafkajs";
import { describe, expect, onTestFinished, test } from "vitest";
import { kafkaIsHere, redisIsHere, testKafka, testRedis } from "./testing.ts";

describe("services for tests", () => {
  test.skipIf(!kafkaIsHere)(
    "one Kafka for all, and close deletes only the topics with the own prefix",
    async () => {
      const [one, two] = await Promise.all([testKafka(), testKafka()]);
      onTestFinished(() => two.close());
      expect(one.brokers).toEqual(two.brokers);
      expect(one.prefix).not.toBe(two.prefix);
      const admin = new Kafka({ brokers: one.brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      onTestFinished(() => admin.disconnect());
      const [gone, kept] = [`${one.prefix}telemetry`, `${two.prefix}telemetry`];
      await admin.createTopics({ topics: [{ topic: gone }, { topic: kept }] });
      await one.close();
      const left = await admin.listTopics();
      expect(left).toContain(kept);
      expect(left).not.toContain(gone);
    },
    120_000,
  );

  test.skipIf(!redisIsHere)("one Redis for all, and close deletes only the keys with the own prefix", async () => {
    const [one, two] = await Promise.all([testRedis(), testRedis()]);
    onTestFinished(() => two.close());
    expect(one.url).toBe(two.url);
    const client = new Redis(one.url);
    onTestFinished(() => client.disconnect());
    await client.mset(`${one.prefix}a`, "1", `${two.prefix}a`, "2");
    await one.close();
    expect(await client.mget(`${one.prefix}a`, `${two.prefix}a`)).toEqual([null, "2"]);
  });
});
