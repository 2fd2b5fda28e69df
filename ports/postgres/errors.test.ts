import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { isDatabaseAway } from "./errors.ts";
import { openPool } from "./pool.ts";
import { testDatabase } from "./testing.ts";

test("a server that does not listen is away", async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  expect(isDatabaseAway(await failureOf(`postgresql://doppel@127.0.0.1:${port}/doppel`, "select 1"))).toBe(true);
});

test("a server that ends the session in the middle of a query is away", async () => {
  const { url, close } = await testDatabase();
  onTestFinished(close);
  expect(isDatabaseAway(await failureOf(url, "select pg_terminate_backend(pg_backend_pid())"))).toBe(true);
});

test("a query that is refused says nothing of the kind", async () => {
  const { url, close } = await testDatabase();
  onTestFinished(close);
  expect(isDatabaseAway(await failureOf(url, "select nothing"))).toBe(false);
  expect(isDatabaseAway("away")).toBe(false);
});

async function failureOf(url: string, query: string): Promise<unknown> {
  const pool = openPool(url);
  onTestFinished(() => pool.end());
  return pool.query(query).catch((error: unknown) => error);
}
