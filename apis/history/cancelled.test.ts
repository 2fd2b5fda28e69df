/** A question whose client has gone, or whose time is over, down to the database: over real connections. */
import { get } from "node:http";
import { expect, onTestFinished, test, vi } from "vitest";
import { noonMs } from "../../ports/fleet-index/testing.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { openMemoryQueryCache } from "../../ports/query-cache/memory.ts";
import { aRetention, aRow } from "../../ports/time-series/contract.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { openApi } from "../server.ts";
import { openTestApi } from "../testing.ts";
import { inTime } from "./limits.ts";
import type { HistoryQuery } from "./query.ts";
import { openHistory } from "./service.ts";

const soon = { timeout: 20_000, interval: 20 };
const ninetyDays = "start=2025-08-23T12:00:00Z&end=2025-11-22T12:00:00Z";

/** Readings in a table that can be held, so that whoever asks for them waits in the database. */
async function opened() {
  const database = await testDatabase();
  const [pool, beside] = [openPool(database.url, { max: 2 }), openPool(database.url, { max: 2 })];
  const series = await openPostgresTimeSeries(pool);
  await series.maintain(noonMs, aRetention());
  await series.write([aRow({ tsMs: noonMs, value: 7 })], { from: 0, to: 1 });
  const fleet = { device: async () => null };
  const history = openHistory({ series, archive: null, fleet, cache: openMemoryQueryCache() });
  const inside = await openTestApi({ parts: { history } });
  const api = await openApi(inside.parts, { host: "127.0.0.1", port: 0 });
  const holder = await beside.connect();
  onTestFinished(async () => {
    holder.release();
    await api.close();
    await inside.close();
    await Promise.all([pool.end(), beside.end()]);
    await database.close();
  });
  const held = async () => {
    await holder.query("begin; lock table telemetry in access exclusive mode");
    return () => holder.query("rollback");
  };
  const waiting = async () => {
    const { rows } = await beside.query(
      "select count(*)::integer as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    return rows[0].n as number;
  };
  const url = `http://127.0.0.1:${api.port}/v1/query?device_id=pump-4&metric=temperature&${ninetyDays}`;
  return { history, held, waiting, url, errors: () => inside.errors };
}

test("a query of ninety days is gone from the database when its client has gone, and the next one is answered", async () => {
  const { held, waiting, url, errors } = await opened();
  const letGo = await held();
  for (const form of ["", "&format=ndjson", "&aggregate=avg&interval=1d"]) {
    const request = get(url + form);
    request.on("error", () => {});
    await vi.waitFor(async () => expect(await waiting()).toBeGreaterThan(0), soon);
    request.destroy();
    await vi.waitFor(async () => expect(await waiting()).toBe(0), soon);
  }
  await letGo();
  const answer = await fetch(url);
  expect(await answer.json()).toMatchObject({ series: [{ points: [{ value: 7 }] }] });
  expect(errors()).toEqual([]);
});

test("a query that takes too long is told so, and is gone from the database", async () => {
  const { history, held, waiting } = await opened();
  const letGo = await held();
  const query: HistoryQuery = {
    ...{ devices: ["pump-4"], metrics: ["temperature"], fromMs: noonMs - 1, toMs: noonMs + 1, timeZone: "UTC" },
    ...{ aggregate: null, interval: null, maxPoints: 9, downsample: "auto" },
  };
  const client = new AbortController();
  const asked = inTime(client.signal, (signal) => history.query(query, signal), 500);
  await expect(asked).rejects.toMatchObject({ kind: "unavailable", message: expect.stringContaining("than 0.5 s") });
  expect(await waiting()).toBe(0);
  await letGo();
  expect(await inTime(client.signal, (signal) => history.query(query, signal))).toMatchObject([{ kind: "raw" }]);
});
