import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { aRecord, aWrite, twinStateContract } from "./contract.ts";
import { openPostgresTwinState } from "./postgres.ts";

async function open(connections = 6) {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: connections });
  const clock = { nowMs: 0 };
  return {
    fenced: true,
    sweepable: true,
    openFor: (host: string) => openPostgresTwinState(pool, { host, now: () => clock.nowMs }),
    clock,
    spoil: async (device: string) => {
      await pool.query("update twin_states set state = 'not a twin' where device = $1", [device]);
    },
    pool,
    close: async () => {
      await pool.end();
      await database.close();
    },
  };
}

async function opened(connections?: number) {
  const database = await open(connections);
  onTestFinished(database.close);
  return { ...database, store: await database.openFor("host-1") };
}

twinStateContract("PostgreSQL", () => open());

test("a commit that fails half-way stores none of its twins and none of their records", async () => {
  const { store, pool } = await opened();
  await pool.query("alter table outbox add constraint small check (id <> 'large')");
  const writes = ["d1.0", "large"].map((id, index) => {
    const device = `pump-${index}`;
    return aWrite(device, 0, { records: [aRecord(device, id)] });
  });
  await expect(store.commit(writes)).rejects.toThrow("small");
  expect(await store.load(["pump-0", "pump-1"])).toEqual(new Map());
  expect(await store.abandoned(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
});

test("a commit is on the disk when it resolves, even where the session's default is not to wait", async () => {
  const { store, pool } = await opened(1);
  await pool.query("set synchronous_commit = off");
  await store.commit([aWrite("pump-4", 0)]);
  const { rows } = await pool.query(
    "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn())::int as waiting",
  );
  expect(rows).toEqual([{ waiting: 0 }]);
});

test("two hosts that write hundreds of the same twins in opposite orders do not deadlock: each twin is written once", async () => {
  const { store, openFor } = await opened();
  const other = await openFor("host-2");
  const devices = Array.from({ length: 400 }, (_, index) => `pump-${index}`);
  for (let revision = 0; revision < 8; revision += 1) {
    const writes = devices.map((device) => aWrite(device, revision, { records: [aRecord(device, `d${revision}`)] }));
    const [ours, theirs] = await Promise.all([store.commit(writes), other.commit(writes.toReversed())]);
    for (const [place, outcome] of ours.entries()) {
      expect([outcome, theirs[devices.length - 1 - place]].toSorted()).toEqual(["committed", "stale"]);
    }
    const records = writes.flatMap((write) => write.records);
    await Promise.all([
      store.published(records),
      other.published(records.toReversed()),
      store.adopt(devices),
      other.release(devices.toReversed()),
      other.adopt(devices.toReversed()),
    ]);
  }
  expect(await store.abandoned(Number.MAX_SAFE_INTEGER, 1)).toEqual([]);
});

test("hosts that open an empty database at the same moment do not disturb each other", async () => {
  const database = await open();
  onTestFinished(database.close);
  const stores = await Promise.all(["host-1", "host-2", "host-3"].map(database.openFor));
  expect(await stores[0]!.commit([aWrite("pump-4", 0)])).toEqual(["committed"]);
});

test("a commit of a watched twin rewrites its row in place, though its deadline moves", async () => {
  const { store, pool } = await opened(1);
  for (let revision = 0; revision < 20; revision += 1) {
    await store.commit([aWrite("pump-4", revision, { deadlineMs: 1_000 * revision })]);
  }
  await pool.query("select pg_stat_force_next_flush()");
  const { rows } = await pool.query(`
    select n_tup_upd::int as updated, n_tup_hot_upd::int as in_place
    from pg_stat_user_tables where relname = 'twin_states'`);
  expect(rows).toEqual([{ updated: 19, in_place: 19 }]);
});

test("a twin stored in the format of another release is unreadable, and the others are loaded", async () => {
  const { store, pool } = await opened();
  await store.commit([aWrite("pump-4", 0), aWrite("pump-5", 0)]);
  await pool.query("update twin_states set format = 2 where device = 'pump-4'");
  const loaded = await store.load(["pump-4", "pump-5"]);
  expect(loaded.get("pump-4")).toEqual({ unreadable: "It is stored in format 2; this release reads 1." });
  expect(loaded.get("pump-5")).toMatchObject({ revision: 1 });
});

test("a row whose receipts are of the old form, each spelled out, is loaded, and its next commit packs them", async () => {
  const { store, pool } = await opened();
  await store.commit([aWrite("pump-4", 0)]);
  const old = '[["g1.7",4503599627370497,{"kind":"done"},1795262400000],["g1.8",0,null,1795262400001]]';
  await pool.query("update twin_states set receipts = $1", [old]);
  const receipts = [
    { turn: "g1.7", digest: 4503599627370497, reply: { kind: "done" }, atMs: 1795262400000 },
    { turn: "g1.8", digest: 0, reply: null, atMs: 1795262400001 },
  ] as const;
  expect((await store.load(["pump-4"])).get("pump-4")).toMatchObject({ receipts });
  await store.commit([aWrite("pump-4", 1, { receipts })]);
  const { rows } = await pool.query<{ length: number }>("select length(receipts) from twin_states");
  expect(rows[0]!.length).toBeLessThan(old.length / 2);
  expect((await store.load(["pump-4"])).get("pump-4")).toMatchObject({ revision: 2, receipts });
});

test("a store of another release's format is refused, and left as it is", async () => {
  const { store, openFor, pool } = await opened();
  await store.commit([aWrite("pump-4", 0)]);
  await pool.query("update twin_state_meta set format = format + 1");
  await expect(openFor("host-2")).rejects.toMatchObject({ code: "FOREIGN_FORMAT" });
  expect((await store.load(["pump-4"])).size).toBe(1);
});

test("what a dead host left is parked step by step, and stays findable all the while", async () => {
  const { store, openFor, pool } = await opened();
  const devices = Array.from({ length: 4_500 }, (_, index) => `pump-${index}`);
  await store.commit(
    devices.map((device, index) => aWrite(device, 0, { deadlineMs: index % 2 ? 1_000 + index : null })),
  );
  const other = await openFor("host-2");
  const about = { shard: 0, shards: 1, alive: ["host-2"], nowMs: 100_000, limit: 10_000 };
  for (const watched of [2_500, 500, 0, 0]) {
    expect(await other.overdue(about)).toHaveLength(2_250);
    const { rowCount } = await pool.query("select from twin_states where parked_ms is null");
    expect(rowCount).toBe(watched);
  }
  expect(await other.overdue({ ...about, nowMs: 1_000 + 3 })).toEqual(["pump-1", "pump-3"]);
  await other.adopt(devices);
  expect(await other.overdue(about)).toEqual([]);
});

test("a record that cannot be read holds up neither the abandoned ones nor the other devices", async () => {
  const { store, pool } = await opened();
  await store.commit(["pump-4", "pump-5"].map((device) => aWrite(device, 0, { records: [aRecord(device, "d1.0")] })));
  await pool.query("update outbox set body = '{' where device = 'pump-4'");
  expect(await store.abandoned(1, 10)).toEqual([aRecord("pump-5", "d1.0")]);
  const loaded = await store.load(["pump-4", "pump-5"]);
  expect(loaded.get("pump-4")).toHaveProperty("unreadable");
  expect(loaded.get("pump-5")).toMatchObject({ revision: 1 });
});
