/** Kafka as others run it: TLS with certificates of both sides, and SASL. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type NativeKafka, startKafka } from "../../deploy/native/kafka.ts";
import { kafkaIsHere } from "../../deploy/native/testing.ts";
import { folderOf, testAuthority } from "../tls/testing.ts";
import { type KafkaOptions, type KafkaSasl, kafkaTrouble } from "./kafka-client.ts";
import { openKafkaPublisher } from "./kafka-publisher.ts";
import { everything, telemetry, wanted } from "./kafka-testing.ts";
import { ensureTopics } from "./topics.ts";

const authority = testAuthority(Date.now());
const broker = authority.issue({ commonName: "kafka", use: "server" });
const ours = authority.issue({ commonName: "doppel", use: "client" });
const stranger = testAuthority(Date.now(), "Somebody else");
const user = { username: "doppel", password: "not-to-be-logged" };
const tls = { ca: authority.cert, ...ours };

describe.skipIf(!kafkaIsHere)("Kafka with TLS and SASL", () => {
  const { path, remove } = folderOf({ store: `${broker.key}${broker.cert}`, ca: authority.cert });
  const folder = mkdtempSync(join(tmpdir(), "doppel-secure-kafka-"));
  let kafka: NativeKafka;

  beforeAll(async () => {
    kafka = await startKafka({ folder, secure: { keyStore: path("store"), trustStore: path("ca"), ...user } });
  }, 120_000);
  afterAll(async () => {
    await kafka?.stop();
    rmSync(folder, { recursive: true, force: true });
    remove();
  });

  test.each(["plain", "scram-sha-256", "scram-sha-512"] as const)(
    "topics are made, records are written and read by %s",
    async (mechanism) => {
      const sasl: KafkaSasl = { mechanism, ...user };
      const options: KafkaOptions = {
        brokers: kafka.secureBrokers,
        clientId: "test",
        prefix: `${mechanism}-`,
        tls,
        sasl,
      };
      await ensureTopics({ ...options, ...wanted });
      const publisher = openKafkaPublisher(options);
      onTestFinished(() => publisher.close());
      await publisher.publish([telemetry("pump-1", 1), telemetry("pump-2", 2)]);
      const records = await everything({ ...options, onTrouble: () => {} }, 2);
      expect(records.map(({ id }) => id).toSorted()).toEqual(["t1", "t2"]);
    },
    60_000,
  );

  /** A publisher that comes with other options writes nothing, and this is told of it. */
  async function isTold(options: Partial<KafkaOptions>, expected: RegExp): Promise<void> {
    const told: string[] = [];
    const sasl: KafkaSasl = { mechanism: "scram-sha-512", ...user };
    const usual = { brokers: kafka.secureBrokers, clientId: "test", tls, sasl, awayAfterMs: 500 };
    const onTrouble = (error: Error) => void told.push(kafkaTrouble(error));
    const publisher = openKafkaPublisher({ ...usual, ...options, onTrouble });
    onTestFinished(() => publisher.close());
    do {
      await expect(publisher.publish([telemetry("pump-1", 1)])).rejects.toMatchObject({ code: "LOG_AWAY" });
    } while (!expected.test(told.join("\n")));
    expect(told.join("\n")).not.toContain(user.password);
  }

  test("a wrong password is told by the options that say it", async () => {
    const sasl: KafkaSasl = { mechanism: "scram-sha-256", username: "doppel", password: "wrong" };
    await isTold({ sasl }, /KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/);
  }, 60_000);

  test("a broker whose certificate somebody else has signed is not spoken to, and the options are told", async () => {
    await isTold({ tls: { ...tls, ca: stranger.cert } }, /certificate.*KAFKA_CA_FILE/s);
  }, 60_000);

  test("without a certificate of ours, where one is asked for, nothing is written", async () => {
    await isTold({ tls: { ca: authority.cert } }, /./);
  }, 60_000);
});
