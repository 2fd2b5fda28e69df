/**
 * Fresh databases for tests. In this order: the server of DOPPEL_TEST_POSTGRES (URL of a superuser), else one embedded
 * cluster for the whole vitest run, which test-cluster.ts starts when the first test asks.
 */
import { randomUUID } from "node:crypto";
import { request } from "node:http";
import pg from "pg";

export type TestDatabase = { url: string; close(): Promise<void> };

/** An empty database that nobody else uses. Its sessions are cut on close. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = process.env.DOPPEL_TEST_POSTGRES || (await sharedCluster());
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, close: () => administer(server, `drop database if exists ${name} with (force)`) };
}

async function administer(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Asks the process that runs vitest, which owns the cluster. */
function sharedCluster(): Promise<string> {
  const socketPath = process.env.DOPPEL_TEST_CLUSTER;
  if (socketPath === undefined) {
    throw new Error(
      "testDatabase() works only in vitest with ports/postgres/test-cluster.ts as globalSetup, or with DOPPEL_TEST_POSTGRES set.",
    );
  }
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: "/" }, (response) => {
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
