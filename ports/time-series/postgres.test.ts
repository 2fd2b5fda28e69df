import type pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { beforeCommit } from "./before-commit.ts";
import { aRange, aRetention, aRow, timeSeriesContract } from "./contract.ts";
import { openPostgresTimeSeries } from "./postgres.ts";

const day = 24 * 3_600_000;
const nowMs = Date.UTC(2025, 10, 21, 12);

timeSeriesContract("PostgreSQL", async () => {
  const { pool, close } = await openedPool();
  return { port: await openPostgresTimeSeries(pool), close };
});

test("a connection that is cut before the commit leaves neither rows nor progress", async () => {
  const { pool, port } = await opened();
  const killer = (client: pg.PoolClient) => pool.query("select pg_terminate_backend($1)", [processOf(client)]);
  const cut = await openPostgresTimeSeries(beforeCommit(pool, killer));
  await expect(cut.write([aRow()], { from: 0, to: 1 })).rejects.toThrow();
  expect(await port.progress()).toBe(0);
  await port.write([aRow()], { from: 0, to: 1 });
  const { rows } = await pool.query("select count(*)::integer as count from telemetry");
  expect(rows).toEqual([{ count: 1 }]);
});

test("recent days have a partition each, older and newer times share the history", async () => {
  const { pool, port } = await opened();
  await port.maintain(nowMs, aRetention());
  const times = [Date.UTC(2013, 6, 4), nowMs - 3 * day, nowMs, nowMs + 40 * day];
  await port.write(
    times.map((tsMs, offset) => aRow({ tsMs, offset })),
    { from: 0, to: 4 },
  );
  const { rows } = await pool.query("select tableoid::regclass::text as part from telemetry order by ts");
  expect(rows.map((row) => row.part)).toEqual([
    "telemetry_history",
    "telemetry_20251118",
    "telemetry_20251121",
    "telemetry_history",
  ]);
});

test("maintenance moves a day's rows out of the history into the day's new partition", async () => {
  const { pool, port } = await opened();
  await port.write([aRow({ tsMs: nowMs })], { from: 0, to: 1 });
  await port.maintain(nowMs, aRetention());
  const { rows } = await pool.query("select tableoid::regclass::text as part, value from telemetry");
  expect(rows).toEqual([{ part: "telemetry_20251121", value: 21.5 }]);
});

test("maintenance names the days that it dropped, and may be run by two at once", async () => {
  const { pool, port } = await opened();
  await Promise.all([
    port.maintain(nowMs, aRetention({ keepMs: 3 * day })),
    port.maintain(nowMs, aRetention({ keepMs: 3 * day })),
  ]);
  expect(await port.maintain(nowMs + day, aRetention({ keepMs: 3 * day }))).toEqual(["telemetry_20251118"]);
  expect(await port.maintain(nowMs + day, aRetention({ keepMs: 3 * day }))).toEqual([]);
  const { rows } = await pool.query(
    "select relname from pg_class where relname like 'telemetry_2%' and relkind = 'r' order by 1",
  );
  expect(rows.map((row) => row.relname)).toEqual([19, 20, 21, 22, 23, 24].map((date) => `telemetry_202511${date}`));
});

test("tables of the version before are taken over, with what is in them", async () => {
  const { pool } = await openedPool(true);
  await pool.query(`
    create table telemetry (
      ts timestamptz not null, received_at timestamptz not null, log_offset bigint not null, value double precision,
      value_bool boolean, device_id text collate "C" not null, metric text collate "C" not null, value_text text,
      tags jsonb, primary key (device_id, metric, ts, log_offset) include (value)
    ) partition by range (ts);
    create table telemetry_history partition of telemetry default;
    create index telemetry_history_times on telemetry_history using brin (received_at, ts);
    create table telemetry_20251120 partition of telemetry for values from ('2025-11-20Z') to ('2025-11-21Z');
    insert into telemetry (ts, received_at, log_offset, value, device_id, metric)
      select at, timestamptz '2025-11-21Z', row_number() over (), 2, 'pump-4', 'temperature'
      from unnest('{2013-07-04 01:00Z, 2025-11-20 01:00Z, 2025-11-20 01:30Z, 2025-11-21 01:00Z}'::timestamptz[]) as at;
  `);
  const port = await openPostgresTimeSeries(pool);
  await port.maintain(nowMs, aRetention());
  await port.write([aRow({ offset: 9, flags: ["late"], tsMs: Date.UTC(2025, 10, 20, 1, 45) })], { from: 0, to: 10 });
  await port.refresh(nowMs);
  const range = aRange({ fromMs: Date.UTC(2013, 0, 1) });
  const made = await port.aggregated(range, "hour", { widthMs: 3_600_000, originMs: 0 });
  expect(made.map(({ count, flagged }) => [count, flagged])).toEqual([
    [1, 0],
    [3, 1],
    [1, 0],
  ]);
  expect(await port.metrics("pump-4")).toEqual(["temperature"]);
});

test("two processes may open the series at the same time", async () => {
  const { pool } = await openedPool();
  const opening = Array.from({ length: 4 }, () => openPostgresTimeSeries(pool));
  const [first] = await Promise.all(opening);
  expect(await first!.progress()).toBe(0);
});

function processOf(client: pg.PoolClient): number {
  return (client as unknown as { processID: number }).processID;
}

async function opened() {
  const { pool, close } = await openedPool();
  onTestFinished(close);
  return { pool, port: await openPostgresTimeSeries(pool) };
}

async function openedPool(closes = false) {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  const close = async () => {
    await pool.end();
    await database.close();
  };
  if (closes) onTestFinished(close);
  return { pool, close };
}
