/**
 * Kafka, Redis, ClickHouse and mosquitto for tests. In this order: what DOPPEL_TEST_KAFKA (host:port,host:port),
 * DOPPEL_TEST_REDIS and DOPPEL_TEST_CLICKHOUSE (URLs) name, else one process of our own for the whole vitest run, which test-services.ts starts
 * when the first test asks. Everybody shares them, so names must begin with the prefix that a test was given.
 * mosquitto is cheap, and its topics are fixed: each call has its own.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Redis } from "ioredis";
import { Kafka, logLevel } from "kafkajs";
import { type NativeMosquitto, startMosquitto } from "./mosquitto.ts";
import type { SecureListener } from "./mosquitto-config.ts";

/** `prefix`: for the names of topics and groups. close() deletes the topics that have it. */
export type TestKafka = { brokers: string[]; prefix: string; close(): Promise<void> };

/** `prefix`: for keys and channels. close() deletes the keys that have it. */
export type TestRedis = { url: string; prefix: string; close(): Promise<void> };

/** `url` names an empty database of its own; close() drops it. */
export type TestClickHouse = { url: string; close(): Promise<void> };

export type TestS3 = {
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** An empty one of its own; close() deletes it with what is in it. */
  bucket: string;
  close(): Promise<void>;
};

/** `url`: base of Confluent's API. `prefix`: for the names of subjects. */
export type TestApicurio = { url: string; prefix: string; close(): Promise<void> };

export type TestMosquitto = { broker: NativeMosquitto; close(): Promise<void> };

/** For `describe.skipIf(!kafkaIsHere)`. In CI always true: there a missing service is a failure, not a skip. */
export const kafkaIsHere = isHere(
  "Kafka",
  process.env.DOPPEL_TEST_KAFKA,
  ["java", "mvn"],
  "default-jre-headless maven",
);
export const redisIsHere = isHere("Redis", process.env.DOPPEL_TEST_REDIS, ["redis-server"], "redis-server");
export const s3IsHere = isHere("S3", process.env.DOPPEL_TEST_S3, ["java", "mvn"], "default-jre-headless maven");
/** A Java that is new enough comes by pip, where "java" is not (apicurio-install.ts). */
export const apicurioIsHere = isHere(
  "Apicurio Registry",
  process.env.DOPPEL_TEST_APICURIO,
  ["mvn", "python3", "pip3"],
  "default-jre-headless maven python3-pip",
);
export const mosquittoIsHere = isHere("mosquitto", undefined, ["mosquitto"], "mosquitto");

/** Its engine comes by pip (clickhouse.ts), unless DOPPEL_TEST_CLICKHOUSE names a server. */
export const clickHouseIsHere = isHere(
  "ClickHouse",
  process.env.DOPPEL_TEST_CLICKHOUSE,
  ["python3", "pip3"],
  "python3-pip",
);

export async function testKafka(): Promise<TestKafka> {
  const brokers = (process.env.DOPPEL_TEST_KAFKA || (await shared("kafka"))).split(",");
  const prefix = uniquePrefix();
  const close = async (): Promise<void> => {
    const admin = new Kafka({ brokers, clientId: "doppel-test", logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
      if (topics.length > 0) await admin.deleteTopics({ topics });
    } finally {
      await admin.disconnect();
    }
  };
  return { brokers, prefix, close };
}

export async function testRedis(): Promise<TestRedis> {
  const url = process.env.DOPPEL_TEST_REDIS || (await shared("redis"));
  const prefix = uniquePrefix();
  const close = async (): Promise<void> => {
    const client = new Redis(url);
    try {
      for await (const keys of client.scanStream({ match: `${prefix}*`, count: 1_000 }))
        if (keys.length > 0) await client.unlink(keys);
    } finally {
      client.disconnect();
    }
  };
  return { url, prefix, close };
}

export async function testClickHouse(): Promise<TestClickHouse> {
  const server = process.env.DOPPEL_TEST_CLICKHOUSE || (await shared("clickhouse"));
  const database = uniquePrefix().replaceAll("-", "_").slice(0, -1);
  const say = async (sql: string) => {
    const { ok, text } = await fetch(server, { method: "POST", body: sql }).then(async (answer) => ({
      ok: answer.ok,
      text: await answer.text(),
    }));
    if (!ok) throw new Error(`ClickHouse refuses ${sql}: ${text}`);
  };
  await say(`create database ${database}`);
  return { url: new URL(`/${database}`, server).href, close: () => say(`drop database if exists ${database}`) };
}

export async function testS3(): Promise<TestS3> {
  const url = new URL(process.env.DOPPEL_TEST_S3 || (await shared("s3")));
  const endpoint = url.origin;
  const credentials = { accessKeyId: url.username, secretAccessKey: url.password };
  const bucket = `${uniquePrefix()}bucket`;
  const s3 = await import("@aws-sdk/client-s3"); // vitest's own configuration reads this file, and needs it not
  const admin = new s3.S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
  await admin.send(new s3.CreateBucketCommand({ Bucket: bucket }));
  const close = async (): Promise<void> => {
    try {
      const { Contents = [] } = await admin.send(new s3.ListObjectsV2Command({ Bucket: bucket }));
      for (const { Key } of Contents) await admin.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key }));
      await admin.send(new s3.DeleteBucketCommand({ Bucket: bucket }));
    } finally {
      admin.destroy();
    }
  };
  return { endpoint, credentials, bucket, close };
}

/** DOPPEL_TEST_APICURIO may name another registry with Confluent's API. Subjects stay in it. */
export async function testApicurio(): Promise<TestApicurio> {
  const url = process.env.DOPPEL_TEST_APICURIO || (await shared("apicurio"));
  return { url, prefix: uniquePrefix(), close: async () => {} };
}

export async function testMosquitto(secure?: SecureListener): Promise<TestMosquitto> {
  const folder = mkdtempSync(join(tmpdir(), "doppel-mosquitto-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const broker = await startMosquitto({ folder, ...(secure && { secure }) });
    return { broker, close: () => broker.stop().finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

const uniquePrefix = () => `test-${randomUUID().slice(0, 8)}-`;

function isHere(name: string, given: string | undefined, programs: readonly string[], packages: string): boolean {
  if (given || process.env.CI) return true;
  const missing = programs.filter((program) => !isOnPath(program));
  if (missing.length === 0) return true;
  console.warn(
    `SKIPPED: tests with ${name}, because this machine lacks ${missing.join(" and ")}. On Debian: apt-get install ${packages}`,
  );
  return false;
}

function isOnPath(program: string): boolean {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** Asks the process that runs vitest, which owns the services. */
function shared(service: "kafka" | "redis" | "clickhouse" | "s3" | "apicurio"): Promise<string> {
  const socketPath = process.env.DOPPEL_TEST_SERVICES;
  if (socketPath === undefined) {
    throw new Error(
      `Tests with ${service} work only in vitest with deploy/native/test-services.ts as globalSetup, or with ` +
        `DOPPEL_TEST_${service.toUpperCase()} set.`,
    );
  }
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: `/${service}` }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => (response.statusCode === 200 ? resolve(body) : reject(new Error(body))));
    });
    asked.once("error", reject);
    asked.end();
  });
}
