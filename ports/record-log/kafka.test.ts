import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { kafkaIsHere, type TestKafka, testKafka } from "../../deploy/native/testing.ts";
import { localRecordCodec, openRecordCodec, openRecordReader } from "../record-codec/codec.ts";
import { openMemorySchemaRegistry } from "../schema-registry/memory.ts";
import { RegistryAway } from "../schema-registry/port.ts";
import { type OpenedRecordLog, recordLogContract } from "./contract.ts";
import { kafkaTopic, openKafkaClient } from "./kafka-client.ts";
import { openKafkaPublisher, RecordTooLarge } from "./kafka-publisher.ts";
import { openKafkaSource } from "./kafka-source.ts";
import { dayMs, everything, telemetry, wanted } from "./kafka-testing.ts";
import type { PublishableRecord, RecordPublisher } from "./port.ts";
import { ensureTopics } from "./topics.ts";

let kafka: TestKafka;
beforeAll(async () => {
  if (kafkaIsHere) kafka = await testKafka();
}, 180_000);
afterAll(() => kafka?.close());

/** Topics of the test's own. */
async function aLog() {
  const options = {
    brokers: kafka.brokers,
    clientId: "doppel-test",
    prefix: `${kafka.prefix}${randomUUID().slice(0, 8)}-`,
  };
  await ensureTopics({ ...options, ...wanted });
  return options;
}

describe.skipIf(!kafkaIsHere)("with a broker", () => recordLogContract("Kafka", open));

async function open(): Promise<OpenedRecordLog> {
  const options = { ...(await aLog()), codec: localRecordCodec() };
  const publishers: RecordPublisher[] = [];
  const openPublisher = () => {
    const publisher = openKafkaPublisher(options);
    publishers.push(publisher);
    return publisher;
  };
  const backOff = { firstMs: 50, maxMs: 500 };
  const source = openKafkaSource({ ...options, copyWindow: 400, maxRecords: 20, backOff });
  return {
    publisher: openPublisher(),
    source,
    async close() {
      await Promise.all(publishers.map((publisher) => publisher.close()));
      await source.close();
    },
    capabilities: {
      shared: { openPublisher, partitions: 3 },
      async putUnreadable(topic) {
        const producer = openKafkaClient(options).producer({ allowAutoTopicCreation: false });
        await producer.connect();
        const messages = [{ partition: 0, key: "x", value: "?" }];
        await producer.send({ topic: kafkaTopic(topic, options.prefix), messages });
        await producer.disconnect();
      },
    },
  };
}

describe.skipIf(!kafkaIsHere)("Kafka", () => {
  test.each(["gzip", "zstd"] as const)("records written with %s are read back", async (compression) => {
    const options = await aLog();
    const publisher = openKafkaPublisher({ ...options, compression });
    await publisher.publish(Array.from({ length: 200 }, (_, number) => telemetry("pump", number)));
    await publisher.close();
    expect((await everything(options, 200)).map(({ id }) => id)).toEqual(
      Array.from({ length: 200 }, (_, n) => `t${n}`),
    );
  });

  test("a record that no broker would take is refused at once, and harms no other", async () => {
    const publisher = openKafkaPublisher(await aLog());
    onTestFinished(() => publisher.close());
    const huge: PublishableRecord = {
      id: "d1.0",
      device: "pump",
      record: { kind: "deregistered", atMs: 1, padding: "x".repeat(3_000_000) } as PublishableRecord["record"],
    };
    const refused = publisher.publish([huge]).catch((error: unknown) => error);
    await publisher.publish([telemetry("pump", 1)]);
    expect(await refused).toBeInstanceOf(RecordTooLarge);
    expect(await refused).toMatchObject({ code: "RECORD_TOO_LARGE", retry: "never" });
  });

  test("JSON of earlier releases and Avro stand in one partition, and a reader fetches the schemas that it meets", async () => {
    const options = await aLog();
    const registry = openMemorySchemaRegistry();
    await registry.register("another-value", '"string"'); // so that no id is one that a codec without registry has
    for (const [number, codec] of [undefined, await openRecordCodec(registry), undefined].entries()) {
      const publisher = openKafkaPublisher({ ...options, ...(codec === undefined ? {} : { codec }) });
      await publisher.publish([telemetry("pump", number)]);
      await publisher.close();
    }
    let asked = 0;
    const codec = openRecordReader({
      async schema(id) {
        asked += 1;
        if (asked === 1) throw new RegistryAway("away for a moment");
        return registry.schema(id);
      },
    });
    const records = await everything({ ...options, codec }, 3);
    expect(records.map(({ record }) => record)).toEqual([0, 1, 2].map((number) => telemetry("pump", number).record));
    expect(asked).toBe(2);
  });

  test("publishing and consuming begin before the topics are there", async () => {
    const options = {
      brokers: kafka.brokers,
      clientId: "doppel-test",
      prefix: `${kafka.prefix}${randomUUID().slice(0, 8)}-`,
    };
    const publisher = openKafkaPublisher({ ...options, backOff: { firstMs: 20, maxMs: 100 } });
    onTestFinished(() => publisher.close());
    const published = publisher.publish([telemetry("pump", 1)]);
    const read = everything(options, 1);
    await ensureTopics({ ...options, ...wanted });
    await published;
    expect(await read).toMatchObject([{ id: "t1", device: "pump" }]);
  });
});

describe.skipIf(!kafkaIsHere)("the topics", () => {
  test("are made once, get another retention, keep an operator's other settings and their partitions", async () => {
    const options = await aLog();
    const again = await ensureTopics({ ...options, ...wanted });
    expect(again.map(({ did }) => did)).toEqual(["nothing", "nothing", "nothing"]);
    const other = { ...wanted, partitions: 5, retentionMs: { ...wanted.retentionMs, "dead-letter": 3 * dayMs } };
    const outcomes = await ensureTopics({ ...options, ...other });
    expect(outcomes.map(({ did }) => did)).toEqual(["nothing", "nothing", "altered"]);
    expect(outcomes[2]!.changed).toEqual([{ name: "retention.ms", from: String(dayMs), to: String(3 * dayMs) }]);
    for (const { differs } of outcomes) expect(differs).toEqual([expect.stringContaining("has 3 partitions, not 5")]);
    const last = await ensureTopics({ ...options, ...other, partitions: 3 });
    expect(last.map(({ did, differs }) => ({ did, differs }))).toEqual(Array(3).fill({ did: "nothing", differs: [] }));
  });
});
