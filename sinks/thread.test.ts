import { expect, onTestFinished, test, vi } from "vitest";
import { openPostgresLog } from "../ports/event-log/postgres.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { deadLettered, registered, telemetry } from "../ports/fleet-index/testing.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { testDatabase } from "../ports/postgres/testing.ts";
import { openPostgresSinkDeadLetters } from "../ports/sink-dead-letters/postgres.ts";
import { pointsOf } from "../ports/time-series/contract.ts";
import { openPostgresTimeSeries } from "../ports/time-series/postgres.ts";
import { sinksSettings } from "./testing.ts";
import { startSinks } from "./thread.ts";

const day = 24 * 3_600_000;
const times = { ...sinksSettings(), logRetentionMs: 7 * day };
const soon = { timeout: 20_000, interval: 50 };

test("what is committed to the log is in the time series and the fleet index soon after, exactly once", async () => {
  const { url, pool, log } = await opened();
  await log.append([{ device: "pump-4", record: registered() }]);
  const nowMs = Date.now();
  const batch = (from: number) =>
    Array.from({ length: 100 }, (_, index) => ({
      device: "pump-4",
      record: telemetry(nowMs + from + index, { count: from + index, latitude: 1, longitude: 2 }),
    }));
  await log.append(batch(0));

  const first = await startSinks({ databaseUrl: url, ...times });
  onTestFinished(() => first.stop());
  await vi.waitFor(() => expect(first.stats().fleet?.progress).toBe(101), soon);
  await log.append(batch(100));
  await log.append([{ device: "pump-4", record: deadLettered("not-utf8") }]);
  first.signal(202);
  await vi.waitFor(() => expect(first.stats().timeseries).toMatchObject({ progress: 202, lag: 0, error: null }), soon);
  await first.stop();
  await first.closed;

  await log.append(batch(200));
  const second = await startSinks({ databaseUrl: url, ...times });
  onTestFinished(() => second.stop());
  second.signal(302);
  await vi.waitFor(() => expect(second.stats()).toMatchObject({ timeseries: { lag: 0 }, fleet: { lag: 0 } }), soon);
  await second.stop();

  const series = await openPostgresTimeSeries(pool);
  const range = { device: "pump-4", metric: "count", fromMs: nowMs, toMs: nowMs + 1_000 };
  const points = await pointsOf(series, range);
  expect(points).toEqual(Array.from({ length: 300 }, (_, count) => ({ tsMs: nowMs + count, value: count })));
  const fleet = await openPostgresFleetIndex(pool);
  expect(await fleet.deadLetterCounts()).toEqual({ "not-utf8": 1 });
  expect(await fleet.located(9)).toEqual([{ id: "pump-4", latitude: 1, longitude: 2, status: "offline" }]);
});

test("a failed commit is told as a warning and made again", async () => {
  const { url, pool, log } = await opened();
  const fleet = await openPostgresFleetIndex(pool);
  await pool.query(`
    create function planted() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$;
    create trigger planted before insert on device_events for each row execute function planted();
  `);
  await log.append([{ device: "pump-4", record: deadLettered("not-utf8") }]);
  const warnings: string[] = [];
  const sinks = await startSinks({ databaseUrl: url, ...times, onWarning: (message) => warnings.push(message) });
  onTestFinished(() => sinks.stop());
  await vi.waitFor(() => expect(warnings.join()).toContain("planted"), soon);
  await vi.waitFor(() => expect(sinks.stats().fleet?.error).toContain("planted"), soon);
  await pool.query("drop trigger planted on device_events");
  await vi.waitFor(() => expect(sinks.stats().fleet).toMatchObject({ progress: 1, error: null }), soon);
  expect(await fleet.deadLetterCounts()).toEqual({ "not-utf8": 1 });
});

test("what a table refuses for good holds up nothing: it is set aside under the sink's name", async () => {
  const { url, pool, log } = await opened();
  const fleet = await openPostgresFleetIndex(pool);
  await pool.query("alter table device_events add constraint planted check (kind <> 'deadLettered')");
  await log.append([
    { device: "pump-4", record: deadLettered("not-utf8") },
    { device: "pump-4", record: registered() },
  ]);
  const sinks = await startSinks({ databaseUrl: url, ...times });
  onTestFinished(() => sinks.stop());
  await vi.waitFor(() => {
    expect(sinks.stats().fleet).toMatchObject({ progress: 2, error: null, breaker: "closed" });
  }, soon);
  expect(await fleet.count({})).toBe(1);
  const letters = await (await openPostgresSinkDeadLetters(pool)).list({ limit: 9 });
  expect(letters).toMatchObject([{ sink: "fleet", offset: 0, partition: "", device: "pump-4" }]);
});

test("sinks that outlive a restart of the database's connections go on", async () => {
  const { url, pool, log } = await opened();
  const sinks = await startSinks({ databaseUrl: url, ...times });
  onTestFinished(() => sinks.stop());
  await log.append([{ device: "pump-4", record: registered() }]);
  await pool.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'doppel-sinks'");
  await log.append([{ device: "pump-4", record: telemetry() }]);
  await vi.waitFor(
    () => expect(sinks.stats()).toMatchObject({ timeseries: { progress: 2 }, fleet: { progress: 2 } }),
    soon,
  );
});

test("a database that is not there is told at the start", async () => {
  await expect(startSinks({ databaseUrl: "postgresql://nobody@127.0.0.1:1/none", ...times })).rejects.toThrow(
    /ECONNREFUSED/,
  );
});

test("a thread that ends by itself is told", async () => {
  const script = (source: string) => new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const ready = `import { parentPort } from "node:worker_threads"; parentPort.postMessage({ kind: "ready" });`;
  const config = { databaseUrl: "", ...times };
  const crashed = await startSinks(
    config,
    script(`${ready} setTimeout(() => { throw new Error("out of luck"); }, 1);`),
  );
  await expect(crashed.closed).rejects.toThrow("out of luck");
  const ended = await startSinks(config, script(ready));
  await expect(ended.closed).rejects.toThrow("ended by itself");
  await ended.stop();
});

async function opened() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 3 });
  const log = await openPostgresLog(pool);
  onTestFinished(async () => {
    await log.close();
    await pool.end();
    await database.close();
  });
  return { url: database.url, pool, log };
}
