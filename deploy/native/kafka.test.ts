import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel, Partitioners } from "kafkajs";
import { describe, expect, onTestFinished, test } from "vitest";
import { startKafka } from "./kafka.ts";
import { KafkaInstallFailed, kafkaInstallation } from "./kafka-install.ts";
import { kafkaProperties } from "./kafka-properties.ts";
import { portAnswers } from "./process.ts";
import { kafkaIsHere } from "./testing.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "doppel-kafka-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Patient: a killed broker stays the leader in everybody's eyes until its session has ended. */
const retry = { initialRetryTime: 200, maxRetryTime: 1_000, retries: 60 };
const client = (brokers: string[]) => new Kafka({ brokers, clientId: "test", logLevel: logLevel.NOTHING, retry });

async function send(brokers: string[], topic: string, value: string): Promise<void> {
  const producer = client(brokers).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, messages: [{ value }], acks: -1 });
  await producer.disconnect();
}

async function endOffset(brokers: string[], topic: string): Promise<string | undefined> {
  const admin = client(brokers).admin();
  await admin.connect();
  try {
    return (await admin.fetchTopicOffsets(topic))[0]?.high;
  } finally {
    await admin.disconnect();
  }
}

async function createTopic(brokers: string[], topic: string): Promise<void> {
  const admin = client(brokers).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
}

describe.skipIf(!kafkaIsHere)("a native Kafka", () => {
  test("keeps its records and its port when a broker is killed, and when all is started anew", async () => {
    const folder = temporaryFolder();
    const first = await startKafka({ folder });
    onTestFinished(() => first.stop());
    await createTopic(first.brokers, "kept");
    await send(first.brokers, "kept", "one");
    const before = first.nodes[0]?.pid;
    await first.nodes[0]?.kill();
    await first.restart(0);
    expect(first.nodes[0]?.pid).not.toBe(before);
    await send(first.brokers, "kept", "two");
    await first.stop();
    expect(await portAnswers(Number(first.brokers[0]?.split(":")[1]))).toBe(false);

    const second = await startKafka({ folder });
    onTestFinished(() => second.stop());
    expect(second.brokers).toEqual(first.brokers);
    expect(await endOffset(second.brokers, "kept")).toBe("2");
    await expect(startKafka({ folder, brokers: 3 })).rejects.toThrow("holds a Kafka of 1 brokers, not 3");
  }, 120_000);

  test("of three brokers goes on when one is killed", async () => {
    const kafka = await startKafka({ folder: temporaryFolder(), brokers: 3 });
    onTestFinished(() => kafka.stop());
    await createTopic(kafka.brokers, "copied");
    await send(kafka.brokers, "copied", "one");
    await kafka.nodes[1]?.kill();
    await send(kafka.brokers, "copied", "two");
    await kafka.restart(1);
    await send(kafka.brokers, "copied", "three");
    expect(await endOffset(kafka.brokers, "copied")).toBe("3");
  }, 180_000);
});

describe("Kafka on a machine that lacks something", () => {
  test("without Java says what to install", async () => {
    const error = await kafkaInstallation(() => {}, { PATH: "/nowhere" }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(KafkaInstallFailed);
    expect(error).toMatchObject({ name: "KafkaInstallFailed", code: "KAFKA_INSTALL_FAILED", retry: "never" });
    expect(error.message).toMatch(/needs Java.*apt-get install default-jre-headless maven.*DOPPEL_TEST_KAFKA/s);
  });
});

describe("the configuration of a broker", () => {
  const nodes = [1, 2, 3].map((id) => ({ id, port: 11_000 + id, controllerPort: 12_000 + id }));
  const lines = (count: number) => kafkaProperties(nodes[0]!, nodes.slice(0, count), "/data").split("\n");

  test("listens on loopback only and knows all controllers", () => {
    expect(lines(3)).toContain("controller.quorum.voters=1@127.0.0.1:12001,2@127.0.0.1:12002,3@127.0.0.1:12003");
    expect(lines(3)).toContain("listeners=PLAINTEXT://127.0.0.1:11001,CONTROLLER://127.0.0.1:12001");
  });

  test("of three copies, two must be written; one broker is enough for itself", () => {
    expect(lines(3)).toEqual(expect.arrayContaining(["min.insync.replicas=2", "default.replication.factor=3"]));
    expect(lines(1)).toEqual(expect.arrayContaining(["min.insync.replicas=1", "offsets.topic.replication.factor=1"]));
  });
});
