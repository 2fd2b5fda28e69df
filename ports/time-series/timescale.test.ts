/**
 * In WASM this cannot show COPY into chunks, writers beside a refresh, and that the compression policy runs by itself:
 * set DOPPEL_TEST_TIMESCALE_URL for those.
 */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { aRange, aRetention, aRow, timeSeriesContract } from "./contract.ts";
import { openTimeSeries, TimescaleUnavailable } from "./open.ts";
import { openTimescaleTimeSeries } from "./timescale.ts";
import { type TestTimescale, testTimescale } from "./timescale-testing.ts";

const hour = 3_600_000;
const day = 24 * hour;
const nowMs = Date.UTC(2025, 10, 21, 12);

let timescale: TestTimescale;
beforeAll(async () => {
  timescale = await testTimescale();
}, 120_000);
afterAll(() => timescale.close());

timeSeriesContract("TimescaleDB", async () => {
  const { pool, close } = await timescale.fresh();
  return { port: await openTimescaleTimeSeries(pool, { load: timescale.load }), close };
});

test("telemetry is a hypertable with chunks of a day, compressed by device and metric when it is old", async () => {
  const { pool, port } = await opened();
  const rows = [0, 1, 2].map((n) => aRow({ tsMs: nowMs - n * day, offset: n, value: n }));
  await port.write(rows, { from: 0, to: 3 });
  const chunks = await pool.query(
    "select count(*)::integer as chunks from timescaledb_information.chunks where hypertable_name = 'telemetry'",
  );
  expect(chunks.rows).toEqual([{ chunks: 3 }]);
  const settings = await pool.query(
    `select attname from timescaledb_information.compression_settings
     where hypertable_name = 'telemetry' and segmentby_column_index is not null order by segmentby_column_index`,
  );
  expect(settings.rows.map(({ attname }) => attname)).toEqual(["device_id", "metric"]);
  const jobs = await pool.query(
    "select job_id, config from timescaledb_information.jobs where proc_name = 'policy_compression' and hypertable_name = 'telemetry'",
  );
  expect(jobs.rows).toHaveLength(1);
  await pool.query(`call run_job(${jobs.rows[0].job_id})`);
  const compressed = await pool.query(
    "select is_compressed from timescaledb_information.chunks where hypertable_name = 'telemetry'",
  );
  expect(compressed.rows.every((row) => row.is_compressed)).toBe(true);
});

test("late readings come into compressed days, once, and into their aggregates", async () => {
  const { pool, port } = await opened();
  await port.write([aRow({ tsMs: nowMs - 9 * day, value: 1 })], { from: 0, to: 1 });
  await port.refresh(nowMs);
  await pool.query("select compress_chunk(chunk) from show_chunks('telemetry') as chunk");
  const late = aRow({ tsMs: nowMs - 9 * day, value: 3, offset: 1, flags: ["late"] });
  await port.write([late], { from: 1, to: 2 });
  expect(await port.writeAgain([late])).toEqual({ added: 0 });
  await port.refresh(nowMs);
  expect(await port.count(aRange(), 9)).toBe(2);
  const [ofHour] = await port.aggregated(aRange(), "hour", { widthMs: hour, originMs: 0 });
  expect(ofHour).toMatchObject({ count: 2, mean: 2, m2: 2, flagged: 1 });
});

test("readings of a type that keeps them for a shorter time go, those of others and all aggregates stay", async () => {
  const { pool, port } = await opened();
  await pool.query("create table devices (id text primary key, type text not null)");
  await pool.query("insert into devices values ('pump-4', 'pump'), ('lamp-1', 'lamp')");
  const tsMs = nowMs - 9 * day;
  const rows = ["pump-4", "lamp-1"].map((device) => aRow({ device, tsMs, receivedAtMs: tsMs }));
  await port.write(rows, { from: 0, to: 2 });
  await port.refresh(nowMs);
  await pool.query("select compress_chunk(chunk) from show_chunks('telemetry') as chunk");
  await port.maintain(nowMs, aRetention({ keepMsOf: new Map([["pump", 7 * day]]) }));
  const counts = ["pump-4", "lamp-1"].map(async (device) => [
    await port.count(aRange({ device }), 9),
    (await port.aggregated(aRange({ device }), "hour", { widthMs: hour, originMs: 0 })).length,
  ]);
  expect(await Promise.all(counts)).toEqual([
    [0, 1],
    [1, 1],
  ]);
  // A late reading of the same hour for the other device must not make the aggregate anew.
  await port.write([aRow({ device: "lamp-1", tsMs: tsMs + 1, offset: 5 })], { from: 2, to: 6 });
  await port.refresh(nowMs);
  const ofHour = async (device: string) =>
    (await port.aggregated(aRange({ device }), "hour", { widthMs: hour, originMs: 0 }))[0]!.count;
  expect([await ofHour("pump-4"), await ofHour("lamp-1")]).toEqual([1, 2]);
});

test("TimescaleDB is taken where it is offered, and refused where readings are kept without it", async () => {
  const { pool, close } = await timescale.fresh();
  onTestFinished(close);
  await pool.query("create table telemetry (ts timestamptz) partition by range (ts)");
  await expect(openTimeSeries(pool, { kind: "timescale" })).rejects.toBeInstanceOf(TimescaleUnavailable);
  await pool.query("drop table telemetry");
  await openTimeSeries(pool, { kind: "auto" });
  const made = await pool.query("select hypertable_name from timescaledb_information.hypertables");
  expect(made.rows.map((row) => row.hypertable_name)).toContain("telemetry");
});

async function opened() {
  const { pool, close } = await timescale.fresh();
  onTestFinished(close);
  return { pool, port: await openTimescaleTimeSeries(pool, { load: timescale.load }) };
}
