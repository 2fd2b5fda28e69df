import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { noonMs, registered, telemetry } from "../ports/fleet-index/testing.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { testDatabase } from "../ports/postgres/testing.ts";
import { openPostgresQualityStats } from "../ports/quality-stats/postgres.ts";
import { openPostgresSinkDeadLetters } from "../ports/sink-dead-letters/postgres.ts";
import type { SinkTarget } from "./target.ts";
import { openTargets } from "./targets.ts";
import { sinksSettings } from "./testing.ts";

const items = [registered(), telemetry(noonMs, { temperature: 1 }), telemetry(noonMs + 1, { temperature: 2 })].map(
  (record, offset) => ({ offset, entry: { device: `pump-${offset}`, record } }),
);

async function opened(clickhouseUrl = "") {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  const folder = await mkdtemp(join(tmpdir(), "doppel-targets-"));
  const archive = {
    ...{ place: folder, endpoint: "", region: "", accessKeyId: "", secretAccessKey: "" },
    ...{ retentionDays: null, maxRows: 2, maxAgeMs: 60_000 },
  };
  let away = false;
  const reachable: typeof pool = new Proxy(pool, {
    get(target, name) {
      if (away && (name === "query" || name === "connect")) return unreachable;
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const targets = await openTargets(reachable, sinksSettings({ archive, clickhouseUrl }));
  const setAway = (now: boolean) => {
    away = now;
  };
  onTestFinished(async () => {
    for (const { close } of targets) await close?.().catch(() => {});
    await pool.end();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  const sink = (name: string): SinkTarget => targets.find((target) => target.name === name)!;
  return { pool, targets, sink, letters: await openPostgresSinkDeadLetters(pool), folder, setAway };
}

async function unreachable(): Promise<never> {
  throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED", syscall: "connect" });
}

test("every sink has a circuit to its storage", async () => {
  const { targets } = await opened("http://127.0.0.1:1/doppel");
  expect(Object.fromEntries(targets.map(({ name, breaker }) => [name, breaker?.()]))).toEqual({
    ...{ timeseries: "closed", fleet: "closed", quality: "closed", archive: "closed", clickhouse: "closed" },
  });
});

test("a record that a table of the fleet's or of quality's refuses is set aside, the rest goes on", async () => {
  const { pool, sink, letters } = await opened();
  await pool.query("alter table devices add constraint planted check (id <> 'pump-0')");
  await pool.query("alter table quality_minutes add constraint planted check (type <> 'fan')");
  const fan = { ...telemetry(noonMs), type: "fan" };
  const mixed = [...items, { offset: 3, entry: { device: "fan-1", record: fan } }];
  for (const name of ["fleet", "quality"]) await sink(name).commit(mixed, { from: 0, to: 4 });
  expect(await letters.counts()).toEqual({ fleet: 1, quality: 1 });
  const [ofQuality, ofFleet] = await letters.list({ limit: 9 });
  expect(ofFleet).toMatchObject({ sink: "fleet", offset: 0, device: "pump-0", part: "" });
  expect(ofQuality).toMatchObject({ sink: "quality", offset: 3, device: "fan-1" });
  expect(ofFleet!.reason).toMatch(/planted/);
  const [fleet, stats] = [await openPostgresFleetIndex(pool), await openPostgresQualityStats(pool)];
  expect([await fleet.progress(), await stats.progress()]).toEqual([4, 4]);
  const groups = await stats.groups({ fromMs: noonMs - 60_000, toMs: noonMs + 60_000 });
  expect(groups.map(({ type, counts }) => [type, counts.accepted])).toEqual([["default", 2]]);
});

test("while the database is away the circuits of all that only have it open", async () => {
  const { sink, setAway } = await opened();
  setAway(true);
  for (const name of ["fleet", "quality", "timeseries"]) {
    for (let n = 0; n < 3; n += 1) await expect(sink(name).progress()).rejects.toThrow();
    expect(sink(name).breaker?.()).toBe("open");
    await expect(sink(name).progress()).rejects.toMatchObject({ code: "CIRCUIT_OPEN" });
  }
});

test("ClickHouse that cannot read a value has it set aside, and one that is away opens its circuit", async () => {
  const asked: string[] = [];
  let away = false;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const query = new URL(request.url!, "http://x").searchParams.get("query") ?? body;
    asked.push(query);
    const bad = /insert into readings/i.test(query) && body.includes("pump-1");
    if (away) return void request.socket.destroy();
    response.writeHead(bad ? 400 : 200, bad ? { "X-ClickHouse-Exception-Code": "27" } : {});
    response.end(bad ? "Code: 27. DB::Exception: Cannot parse input. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)" : "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.closeAllConnections());
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  const { sink, letters } = await opened(`http://127.0.0.1:${(server.address() as AddressInfo).port}/doppel`);
  const target = sink("clickhouse");
  await target.progress();
  await target.commit(items, { from: 0, to: 3 });
  expect(await letters.list({ limit: 9 })).toMatchObject([{ sink: "clickhouse", offset: 1, device: "pump-1" }]);
  away = true;
  for (let n = 0; n < 3; n += 1)
    await expect(target.commit([], { from: 3, to: 4 })).rejects.toMatchObject({
      code: "ANALYTICS_AWAY",
    });
  expect(target.breaker?.()).toBe("open");
});

test("an archive whose folder is gone gathers, then opens its circuit and waits", async () => {
  const { sink, folder } = await opened();
  const target = sink("archive");
  const files = target.chores!.find(({ name }) => name === "files")!;
  await target.progress();
  await rm(folder, { recursive: true });
  await writeFile(folder, "no folder");
  await target.commit(items, { from: 0, to: 3 });
  for (let n = 0; n < 2; n += 1) await expect(files.run(noonMs)).rejects.toMatchObject({ code: "STORE_AWAY" });
  expect(target.breaker?.()).toBe("open");
  await expect(target.commit(items, { from: 3, to: 6 })).rejects.toMatchObject({ code: "CIRCUIT_OPEN" });
});
