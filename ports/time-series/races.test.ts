/** Writers, refreshes and retention at the same time, on connections of their own. */
import type pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { merged, type StatsBucket, statsOf } from "../../core/history/stats.ts";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { beforeCommit } from "./before-commit.ts";
import { aRange, aRetention, aRow } from "./contract.ts";
import { windowStart } from "./late-rows.ts";
import { openTimeSeries } from "./open.ts";
import type { SeriesRow } from "./port.ts";
import { openPostgresTimeSeries } from "./postgres.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const nowMs = Date.UTC(2025, 10, 21, 12);
const hours = { widthMs: hour, originMs: 0 };

test("a refresh waits for the writer that began before it, and then has its readings", async () => {
  const { pool, port, openBeforeCommit } = await opened();
  await port.maintain(nowMs, aRetention());
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const slow = await openBeforeCommit(async () => {
    reached.resolve();
    await goOn.promise;
  });
  const writing = slow.write([aRow({ tsMs: nowMs - 2 * hour })], { from: 0, to: 1 });
  await reached.promise;
  const refreshing = port.refresh(nowMs);
  await until(pool, "select from pg_locks where locktype = 'advisory' and not granted");
  goOn.resolve();
  await Promise.all([writing, refreshing]);
  expect(await port.aggregated(aRange(), "hour", hours)).toMatchObject([{ count: 1 }]);
});

test("a writer that comes while the threshold moves sees the new one, and its hour is made again", async () => {
  const { pool, port } = await opened();
  await port.maintain(nowMs, aRetention());
  const holder = await pool.connect();
  await holder.query("begin");
  await holder.query("select pg_advisory_xact_lock_shared(hashtextextended('doppel telemetry writers', 0))");
  const refreshing = port.refresh(nowMs);
  await until(pool, "select from pg_locks where locktype = 'advisory' and not granted");
  const writing = port.write([aRow({ tsMs: nowMs - 2 * hour })], { from: 0, to: 1 });
  await until(pool, "select from pg_locks where locktype = 'advisory' and not granted offset 1");
  await holder.query("commit");
  holder.release();
  await Promise.all([writing, refreshing]);
  await port.refresh(nowMs);
  expect(await port.aggregated(aRange(), "hour", hours)).toMatchObject([{ count: 1 }]);
});

test("whatever writers, refreshes and retention do at the same time, every reading is in its aggregate once", async () => {
  const { port, pool } = await opened();
  const others = [await openPostgresTimeSeries(pool), await openPostgresTimeSeries(pool)];
  const retention = aRetention({ keepMs: day });
  let clockMs = nowMs;
  await port.maintain(clockMs, retention);
  const all: SeriesRow[] = [];
  let writing = true;
  const writer = async (partition: number) => {
    const device = `pump-${partition}`;
    for (let offset = 0; offset < 300; offset += 10) {
      const rows = Array.from({ length: 10 }, (_, n) => {
        const agoMs = [0, 3 * minute, 70 * minute, 5 * hour, 2 * day][(offset / 10 + n + partition) % 5]! + n * 1_000;
        return aRow({ device, tsMs: clockMs - agoMs, receivedAtMs: clockMs, value: n, offset: offset + n });
      });
      await port.write(rows, { from: offset, to: offset + 10, partition: `iot-telemetry/${partition}` });
      all.push(...rows);
      clockMs += 7 * minute;
    }
  };
  const refresher = async (series: typeof port) => {
    while (writing) {
      await series.refresh(clockMs);
      await series.maintain(clockMs, retention);
    }
  };
  const refreshers = others.map(refresher);
  await Promise.all([0, 1, 2].map(writer)).finally(() => {
    writing = false;
  });
  await Promise.all(refreshers);
  await port.refresh(clockMs + hour);
  for (const device of ["pump-0", "pump-1", "pump-2"]) {
    const range = aRange({ device });
    const { aggregatedToMs, dirtyHours } = await port.coverage({ ...range, type: "default" });
    expect(dirtyHours).toEqual([]);
    const expected = new Map<number, StatsBucket>();
    for (const row of all.filter((one) => one.device === device && one.tsMs < aggregatedToMs)) {
      const tsMs = windowStart(row.tsMs, "hour");
      const found = expected.get(tsMs);
      const stats = statsOf(Number(row.value), false);
      expected.set(tsMs, { ...(found === undefined ? stats : merged(found, stats)), tsMs });
    }
    for (const resolution of ["hour", "minute"] as const) {
      const made = await port.aggregated({ ...range, toMs: aggregatedToMs }, resolution, hours);
      const counts = made.map(({ tsMs, count, min, max }) => [tsMs, count, min, max]);
      const wanted = [...expected.values()].sort((a, b) => a.tsMs - b.tsMs);
      expect(counts).toEqual(wanted.map(({ tsMs, count, min, max }) => [tsMs, count, min, max]));
    }
  }
}, 120_000);

test("two processes refresh without doing the work twice or failing", async () => {
  const { port, pool } = await opened();
  await port.maintain(nowMs, aRetention());
  const rows = Array.from({ length: 500 }, (_, n) => aRow({ tsMs: nowMs - n * 10 * minute, offset: n, value: n }));
  await port.write(rows, { from: 0, to: 500 });
  const other = await openPostgresTimeSeries(pool);
  await Promise.all([port.refresh(nowMs), other.refresh(nowMs), port.refresh(nowMs)]);
  await port.refresh(nowMs);
  const made = await port.aggregated(aRange(), "hour", { widthMs: 364 * day, originMs: 0 });
  expect(made.reduce((sum, { count }) => sum + count, 0)).toBe(493);
});

test("readings of a type that keeps them for a shorter time go alone, and coverage says so for ever", async () => {
  const { port, pool } = await opened();
  await pool.query("create table devices (id text primary key, type text not null)");
  await pool.query("insert into devices values ('pump-4', 'pump'), ('lamp-1', 'lamp')");
  await port.maintain(nowMs - 9 * day, aRetention());
  const tsMs = nowMs - 9 * day;
  const rows = ["pump-4", "lamp-1"].map((device) => aRow({ device, tsMs, receivedAtMs: tsMs }));
  await port.write(rows, { from: 0, to: 2 });
  await port.maintain(nowMs, aRetention({ keepMsOf: new Map([["pump", 7 * day]]) }));
  const stateOf = async (device: string) => {
    const range = aRange({ device });
    const { rawFromMs } = await port.coverage({ ...range, type: "lamp" });
    const aggregates = await port.aggregated(range, "hour", hours);
    return [await port.count(range, 9), rawFromMs, aggregates.map(({ count }) => count)];
  };
  expect(await stateOf("pump-4")).toEqual([0, Date.UTC(2025, 10, 14), [1]]);
  expect(await stateOf("lamp-1")).toEqual([1, Number.NEGATIVE_INFINITY, [1]]);
  // It becomes another type: what is gone does not come back.
  await pool.query("update devices set type = 'lamp'");
  await port.maintain(nowMs, aRetention());
  await port.write([aRow({ device: "lamp-1", tsMs: tsMs + 1, offset: 2 })], { from: 2, to: 3 });
  await port.refresh(nowMs);
  expect(await stateOf("pump-4")).toEqual([0, Date.UTC(2025, 10, 14), [1]]);
  expect(await stateOf("lamp-1")).toEqual([2, Number.NEGATIVE_INFINITY, [2]]);
});

test("a row that PostgreSQL refuses is named, and nothing of its batch is written", async () => {
  const { pool } = await opened();
  const port = await openTimeSeries(pool, { kind: "auto" });
  const long = aRow({ metric: randomText(9_000), offset: 1 });
  const early = aRow({ tsMs: -8.64e15, offset: 2 });
  const rows = [aRow(), long, early, aRow({ offset: 3 })];
  await expect(port.write(rows, { from: 0, to: 4 })).rejects.toMatchObject({ code: "ROWS_REFUSED", retry: "never" });
  expect([await port.progress(), await port.count(aRange(), 9)]).toEqual([0, 0]);
  const refused = await port.refusals(rows);
  expect([...refused.keys()]).toEqual(expect.arrayContaining([long, early]));
  expect(refused.size).toBe(2);
  expect(refused.get(early)).toMatch(/before the year 1/);
  expect(await port.count(aRange(), 9)).toBe(0);
});

/** That cannot be made shorter. */
function randomText(length: number): string {
  let text = "";
  for (let state = 1; text.length < length; state = (state * 48_271) % 2_147_483_647) text += state.toString(36);
  return text;
}

async function until(pool: pg.Pool, query: string): Promise<void> {
  while ((await pool.query(query)).rowCount === 0);
}

async function opened() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 8 });
  onTestFinished(async () => {
    await pool.end();
    await database.close();
  });
  const openBeforeCommit = (harm: () => Promise<void>) => openPostgresTimeSeries(beforeCommit(pool, harm));
  return { pool, port: await openPostgresTimeSeries(pool), openBeforeCommit };
}
