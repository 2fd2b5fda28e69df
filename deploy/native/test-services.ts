/** vitest's globalSetup: one Kafka, one Redis and one ClickHouse for the whole run, each started when the first test asks for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { startApicurio } from "./apicurio.ts";
import { startClickHouse } from "./clickhouse.ts";
import { startKafka } from "./kafka.ts";
import { startRedis } from "./redis.ts";
import { startS3 } from "./s3proxy.ts";

type Started = { address: string; stop(): Promise<void> };

export default async function setup(): Promise<() => Promise<void>> {
  const folder = mkdtempSync("/tmp/doppel-services-"); // not TMPDIR: a socket's path must be short
  const starters: Record<string, () => Promise<Started>> = {
    "/kafka": async () => {
      const kafka = await startKafka({ folder: join(folder, "kafka"), say: console.log });
      return { address: kafka.brokers.join(","), stop: () => kafka.stop() };
    },
    "/redis": async () => {
      const redis = await startRedis({ folder: join(folder, "redis") });
      return { address: redis.url, stop: () => redis.stop() };
    },
    "/s3": async () => {
      const s3 = await startS3({ folder: join(folder, "s3"), say: console.log });
      const address = new URL(s3.endpoint);
      address.username = s3.credentials.accessKeyId;
      address.password = s3.credentials.secretAccessKey;
      return { address: address.href, stop: () => s3.stop() };
    },
    "/apicurio": async () => {
      const apicurio = await startApicurio({ folder: join(folder, "apicurio"), say: console.log });
      return { address: apicurio.url, stop: () => apicurio.stop() };
    },
    "/clickhouse": async () => {
      const clickHouse = await startClickHouse({ folder: join(folder, "clickhouse"), say: console.log });
      return { address: clickHouse.url, stop: () => clickHouse.stop() };
    },
  };
  const started = new Map<string, Promise<Started>>();
  const server = createServer(({ url = "" }, response) => {
    const start = starters[url];
    if (start === undefined) return void response.writeHead(404).end(`There is no test service ${url}.`);
    const service = started.get(url) ?? start();
    started.set(url, service);
    service.then(
      ({ address }) => response.end(address),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  const socket = join(folder, "ask");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  server.unref();
  process.env.DOPPEL_TEST_SERVICES = socket; // the workers inherit it
  return async () => {
    server.close();
    const settled = await Promise.allSettled(started.values());
    await Promise.all(settled.map((one) => (one.status === "fulfilled" ? one.value.stop() : undefined)));
    rmSync(folder, { recursive: true, force: true });
  };
}
