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

test("tables of a version without partitions are taken over, with all that they hold", async () => {
  const { pool, close } = await openedPool();
  onTestFinished(close);
  await pool.query(`
    create table sink_offsets (consumer text primary key, next_offset bigint not null);
    insert into sink_offsets values ('fleet', 40);
    create table device_events (log_offset bigint not null, device_id text collate "C" not null,
      kind text collate "C" not null, at timestamptz not null, body text not null, primary key (kind, log_offset));
    create index device_events_by_device on device_events (device_id, kind, log_offset);
  `);
  const record = deadLettered("not-utf8");
  await pool.query("insert into device_events values (7, 'a', 'deadLettered', to_timestamp($1::float8 / 1000), $2)", [
    ...[noonMs, JSON.stringify(record)],
  ]);
  const port = await openPostgresFleetIndex(pool);
  expect((await port.deadLetters({ reason: "not-utf8", type: "default" }, { cursor: null, limit: 9 })).items).toEqual([
    { offset: 7, device: "a", record },
  ]);
  expect(await port.progress()).toBe(40);
  await port.apply(numbered(40, [["a", deadLettered("not-utf8", noonMs + 1)]]), { from: 40, to: 41 });
  const later = numbered(7, [["b", deadLettered("not-utf8", noonMs + 2)]]);
  await port.apply(later, { from: 0, to: 8, partition: "dead-letter/0" });
  const { items } = await port.events({ device: null }, { cursor: null, limit: 9 });
  expect(items.map(({ device, offset }) => [device, offset])).toEqual([
    ["b", 7],
    ["a", 40],
    ["a", 7],
  ]);
  expect(await (await openPostgresFleetIndex(pool)).progress()).toBe(41);
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
