import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import type { TwinRecord } from "../core/device/records.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { cameOnline, deadLettered, registered, telemetry } from "../ports/fleet-index/testing.ts";
import { askProbe } from "../ports/http-health/routes.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { testDatabase } from "../ports/postgres/testing.ts";
import { type MemoryRecordLog, openMemoryRecordLog } from "../ports/record-log/memory.ts";
import type { LogBatch, RecordSource } from "../ports/record-log/port.ts";
import { pointsOf } from "../ports/time-series/contract.ts";
import { openPostgresTimeSeries } from "../ports/time-series/postgres.ts";
import { openSinks, type RunningSinks, type SinksOptions } from "./distributed.ts";
import { sinksSettings } from "./testing.ts";

const day = 24 * 3_600_000;
const soon = { timeout: 20_000, interval: 20 };
const devices = Array.from({ length: 12 }, (_, number) => `pump-${number}`);
const startMs = Date.now() - 3_600_000;

test("what is in the log is in history and lists soon after", async () => {
  const { start, log, expectAll } = await opened();
  await publish(log, 0, 20);
  const sinks = start();
  await upToDate(sinks);
  expect(sinks.ready()).toBe(true);
  await publish(log, 20, 40);
  await upToDate(sinks);
  expect(sinks.records()).toMatchObject({ timeseries: 480, fleet: 480 + 2 * 12 + 24 });
  await sinks.close();
  await sinks.closed;
  await expectAll(40);
});

test("a batch whose commit was answered too late comes again, and its effect is once", async () => {
  const { start, log, expectAll } = await opened();
  let killed = 0;
  const source = tampered(log.source, async (batch, take) => {
    await take(batch);
    if (batch.records.length > 0) killed += 1;
    if (killed % 2 === 1) throw new Error("killed after the commit");
  });
  for (let from = 0; from < 40; from += 10) await publish(log, from, from + 10);
  const sinks = start({ source });
  await upToDate(sinks);
  expect(killed).toBeGreaterThan(5);
  await sinks.close();
  await expectAll(40);
});

test("what is published twice is taken once", async () => {
  const { start, log, expectAll } = await opened();
  log.copyNextPublish(2);
  await publish(log, 0, 20);
  const sinks = start();
  await upToDate(sinks);
  await sinks.close();
  await expectAll(20);
});

test("members that come and go leave nothing out and take nothing twice", async () => {
  const { start, log, expectAll } = await opened();
  await publish(log, 0, 10);
  const first = start();
  await upToDate(first);
  await publish(log, 10, 20);
  const second = start();
  await publish(log, 20, 30);
  await upToDate(second);
  await publish(log, 30, 35);
  await first.close();
  await publish(log, 35, 40);
  await upToDate(second);
  await second.close();
  await expectAll(40);
});

test("a database that is away at the start is waited for, and that is told", async () => {
  const { start, log, expectAll, database } = await opened();
  await database.goAway();
  await publish(log, 0, 10);
  const troubles: string[] = [];
  const sinks = start({ onTrouble: (message) => troubles.push(message) });
  await vi.waitFor(() => expect(troubles.length).toBeGreaterThan(1), soon);
  expect(sinks.ready()).toBe(false);
  expect(await failing(sinks)).toEqual(["database", "sinks"]);
  await database.comeBack();
  await upToDate(sinks);
  expect(await failing(sinks)).toEqual([]);
  await sinks.close();
  await expectAll(10);
});

test("sinks that lose the database catch up when it is back", async () => {
  const { start, log, expectAll, database } = await opened();
  await publish(log, 0, 10);
  const troubles: string[] = [];
  const sinks = start({ onTrouble: (message) => troubles.push(message) });
  await upToDate(sinks);
  await database.goAway();
  await publish(log, 10, 30);
  await vi.waitFor(
    async () =>
      expect(await failing(sinks)).toEqual(expect.arrayContaining(["database", "sink timeseries", "sink fleet"])),
    soon,
  );
  expect(troubles.length).toBeGreaterThan(0);
  await database.comeBack();
  await upToDate(sinks);
  await vi.waitFor(async () => expect(await failing(sinks)).toEqual([]), soon);
  await sinks.close();
  await expectAll(30);
});

test("sinks end after the transactions under way, also when the database never came", async () => {
  const { start, log, database, count } = await opened();
  await publish(log, 0, 20);
  const committed: number[] = [];
  const reached = Promise.withResolvers<void>();
  const source = tampered(log.source, async (batch, take) => {
    reached.resolve();
    await take(batch);
    committed.push(batch.records.length);
  });
  const sinks = start({ source });
  await reached.promise;
  await sinks.close();
  const atClose = committed.length;
  expect(atClose).toBeGreaterThan(0);
  expect(sinks.ready()).toBe(false);
  expect(await count()).toBeLessThanOrEqual(12);
  expect(committed.length).toBe(atClose);
  await database.goAway();
  const waiting = start();
  await waiting.close();
  await database.comeBack();
});

test("consuming that ended for good is told", async () => {
  const { start, log } = await opened();
  const failure = Promise.withResolvers<void>();
  const source: RecordSource = {
    ...log.source,
    consume: async (consumer) => ({ ...(await log.source.consume(consumer)), closed: failure.promise }),
  };
  const sinks = start({ source });
  await vi.waitFor(() => expect(sinks.ready()).toBe(true), soon);
  failure.reject(new Error("not authorized"));
  await expect(sinks.closed).rejects.toThrow("not authorized");
});

/** Registers the devices first; then one reading of each a round, and a dead letter of each at the first and tenth. */
async function publish(log: MemoryRecordLog, from: number, to: number): Promise<void> {
  const records: { id: string; device: string; record: TwinRecord }[] = [];
  for (let round = from; round < to; round += 1) {
    for (const device of devices) {
      const atMs = startMs + round * 1_000;
      const add = (kind: string, record: TwinRecord) => records.push({ id: `${kind}${round}`, device, record });
      if (round === 0) add("r", registered({}, atMs - 2));
      if (round === 0) add("o", cameOnline(atMs - 1));
      add("t", telemetry(atMs, { count: round, latitude: round / 10, longitude: 2 }));
      if (round === 0 || round === 10) add("l", deadLettered("not-utf8", atMs));
    }
  }
  await log.publisher.publish(records);
}

async function upToDate(sinks: RunningSinks): Promise<void> {
  await vi.waitFor(async () => {
    expect(sinks.ready()).toBe(true);
    expect(Object.values(await sinks.lag()).every((lag) => lag === 0)).toBe(true);
  }, soon);
}

async function failing(sinks: RunningSinks): Promise<string[]> {
  const answers = await Promise.all(sinks.probes().map(async (probe) => ({ ...(await askProbe(probe)), probe })));
  return answers.filter(({ ok }) => !ok).map(({ probe }) => probe.name);
}

/** The source, with something around each `take`. */
function tampered(
  source: RecordSource,
  around: (batch: LogBatch, take: (batch: LogBatch) => Promise<void>) => Promise<void>,
): RecordSource {
  return {
    ...source,
    consume: (consumer) => source.consume({ ...consumer, take: (batch) => around(batch, consumer.take) }),
  };
}

async function opened() {
  const database = await testDatabase();
  const log = openMemoryRecordLog({ maxRecords: 25 });
  let away = false;
  const name = new URL(database.url).pathname.slice(1);
  const administer = async (...statements: string[]) => {
    const url = new URL(database.url);
    url.pathname = "/postgres";
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  };
  const comeBack = async () => {
    if (away) await administer(`alter database ${name} with allow_connections true`);
    away = false;
  };
  const goAway = async () => {
    away = true;
    await administer(
      `alter database ${name} with allow_connections false`,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
    );
  };
  onTestFinished(async () => {
    await comeBack();
    await database.close();
  });
  const start = (options: Partial<SinksOptions> = {}): RunningSinks => {
    const times = { backOff: { firstMs: 10, maxMs: 50 }, retryMs: 50 };
    const sinks = openSinks({ databaseUrl: database.url, source: log.source, ...sinksSettings(), times, ...options });
    onTestFinished(() => sinks.close());
    return sinks;
  };
  const withPool = async <T>(use: (pool: pg.Pool) => Promise<T>): Promise<T> => {
    const pool = openPool(database.url, { max: 2 });
    try {
      return await use(pool);
    } finally {
      await pool.end();
    }
  };
  /** Every round up to `rounds` of every device, once. */
  const expectAll = (rounds: number) =>
    withPool(async (pool) => {
      const series = await openPostgresTimeSeries(pool);
      const fleet = await openPostgresFleetIndex(pool);
      for (const device of devices) {
        const range = { device, metric: "count", fromMs: startMs, toMs: startMs + day };
        const points = Array.from({ length: rounds }, (_, count) => ({ tsMs: startMs + count * 1_000, value: count }));
        expect(await pointsOf(series, range)).toEqual(points);
        const events = await fleet.events({ device }, { cursor: null, limit: 100 });
        const letters = rounds > 10 ? ["deadLettered", "deadLettered"] : ["deadLettered"];
        expect(events.items.map(({ record }) => record.kind)).toEqual([...letters, "presence", "registered"]);
      }
      expect(await fleet.deadLetterCounts()).toEqual({ "not-utf8": 12 * (rounds > 10 ? 2 : 1) });
      const { items } = await fleet.devices({}, { cursor: null, limit: 100 });
      const lastMs = startMs + (rounds - 1) * 1_000;
      expect(items.map(({ status, lastSeenMs }) => [status, lastSeenMs])).toEqual(
        devices.map(() => ["online", lastMs]),
      );
      const located = await fleet.located(100);
      expect(located.map(({ latitude }) => latitude)).toEqual(devices.map(() => (rounds - 1) / 10));
    });
  const count = () => withPool(async (pool) => (await openPostgresFleetIndex(pool)).count({}));
  return { start, log, expectAll, count, database: { goAway, comeBack } };
}
