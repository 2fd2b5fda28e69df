import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { fleetIndexContract } from "./contract.ts";
import { openPostgresFleetIndex } from "./postgres.ts";
import { cameOnline, deadLettered, noonMs, numbered, registered, telemetry } from "./testing.ts";

fleetIndexContract("PostgreSQL", async () => {
  const { pool, close } = await openedPool();
  return { port: await openPostgresFleetIndex(pool), close };
});

test("a batch that fails half way leaves nothing behind", async () => {
  const { pool, close } = await openedPool();
  onTestFinished(close);
  const port = await openPostgresFleetIndex(pool);
  await pool.query("alter table device_events add constraint planted check (kind <> 'deadLettered')");
  const entries = numbered(0, [
    ["a", registered()],
    ["a", telemetry()],
    ["a", deadLettered("not-utf8")],
  ]);
  await expect(port.apply(entries, { from: 0, to: 3 })).rejects.toThrow("planted");
  expect([await port.progress(), await port.count({})]).toEqual([0, 0]);
  await pool.query("alter table device_events drop constraint planted");
  await port.apply(entries, { from: 0, to: 3 });
  expect(await port.device("a")).toMatchObject({ lastSeenMs: noonMs });
});

test("messages of a device write its row at most once in 30 s", async () => {
  const { pool, close } = await openedPool();
  onTestFinished(close);
  const port = await openPostgresFleetIndex(pool);
  await port.apply(
    numbered(0, [
      ["a", registered()],
      ["a", cameOnline()],
    ]),
    { from: 0, to: 2 },
  );
  const version = async () => (await pool.query("select xmin::text from devices")).rows[0].xmin;
  const versions = new Set<string>();
  for (let second = 1; second <= 60; second += 1) {
    const from = second + 1;
    await port.apply(numbered(from, [["a", telemetry(noonMs + second * 1_000)]]), { from, to: from + 1 });
    versions.add(await version());
  }
  expect(versions.size).toBe(3);
});

test("numbers are read at most once a second, and anew after a batch", async () => {
  const { pool, close } = await openedPool();
  onTestFinished(close);
  let nowMs = 0;
  const port = await openPostgresFleetIndex(pool, () => nowMs);
  const other = await openPostgresFleetIndex(pool);
  expect((await port.stats()).devices).toBe(0);
  await other.apply(numbered(0, [["a", registered()]]), { from: 0, to: 1 });
  expect((await port.stats()).devices).toBe(0);
  nowMs = 1_000;
  expect((await port.stats()).devices).toBe(1);
  await port.apply(numbered(1, [["b", registered()]]), { from: 1, to: 2 });
  expect((await port.stats()).devices).toBe(2);
});

async function openedPool() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  return {
    pool,
    async close() {
      await pool.end();
      await database.close();
    },
  };
}
