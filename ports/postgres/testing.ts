/**
 * Fresh databases for tests. In this order: the server of DOPPEL_TEST_POSTGRES (URL of a superuser), else one embedded
 * cluster for the whole vitest run, which test-cluster.ts starts when the first test asks.
 */
import { randomUUID } from "node:crypto";
import { request } from "node:http";
import pg from "pg";

export type TestDatabase = { url: string; close(): Promise<void> };

/** An empty database that nobody else uses. Sessions that are still there on close are cut. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = process.env.DOPPEL_TEST_POSTGRES || (await sharedCluster());
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, close: () => drop(server, name) };
}

/** A session that its client has just closed ends by itself: cut, it would still hear of it, with nobody to listen. */
const leaveMs = 500;

function drop(server: string, name: string): Promise<void> {
  return connected(server, async (client) => {
    const endMs = Date.now() + leaveMs;
    while (Date.now() < endMs) {
      const { rowCount } = await client.query("select 1 from pg_stat_activity where datname = $1", [name]);
      if (rowCount === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await client.query(`drop database if exists ${name} with (force)`);
  });
}

function administer(server: string, statement: string): Promise<void> {
  return connected(server, async (client) => {
    await client.query(statement);
  });
}

async function connected(server: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await use(client);
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
