/**
 * A process dies at every step of the archive's work, once each: between any two calls of the store and statements of the
 * database. A fresh process goes on, and then every reading is in one listed file, and no file is left
 * that nobody lists.
 */
import type pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Fault, faultyStore } from "../object-store/faulty.ts";
import { openMemoryObjectStore } from "../object-store/memory.ts";
import type { ObjectStore } from "../object-store/port.ts";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { type SeriesRow, StaleProgress } from "../time-series/port.ts";
import { aRow, noonMs, readingsOf } from "./contract.ts";
import { openParquetArchive } from "./parquet.ts";
import type { Archive } from "./port.ts";

class Died extends Error {
  override readonly name = "Died";
}

/** Counts the steps of a process and ends it at one of them: nothing it does afterwards has an effect. */
type Life = { step: number; readonly dieAt: number; dead: boolean };

const immortal = (): Life => ({ step: 0, dieAt: Number.POSITIVE_INFINITY, dead: false });

/** True: die now, before the step. To have died after the one before is the same: between them is only memory. */
function dies(life: Life): boolean {
  life.step += 1;
  if (life.step >= life.dieAt) life.dead = true;
  return life.dead;
}

function mortalStore(store: ObjectStore, life: Life): ObjectStore {
  return faultyStore(store, (): Fault | null => (dies(life) ? { kind: "refused", error: new Died() } : null));
}

/** A pool whose statements are steps. A death within a transaction ends its connection, as the server sees it. */
function mortalPool(pool: pg.Pool, life: Life): pg.Pool {
  const mortal =
    (query: (...args: unknown[]) => Promise<unknown>, end: () => void) =>
    async (...args: unknown[]): Promise<unknown> => {
      // What a dead process would roll back, the server does.
      if (life.dead || dies(life)) {
        end();
        throw new Died();
      }
      return await query(...args);
    };
  return {
    query: mortal(pool.query.bind(pool) as never, () => {}),
    connect: async () => {
      const client = await pool.connect();
      const release = client.release.bind(client);
      let ended = false;
      const end = () => {
        if (ended) return;
        ended = true;
        release(true);
      };
      return {
        query: mortal(client.query.bind(client) as never, end),
        release: (broken?: Error | boolean) => {
          if (!ended) release(broken);
          ended = true;
        },
        on: client.on.bind(client),
        off: client.off.bind(client),
      };
    },
  } as unknown as pg.Pool;
}

/** Those of the dead process end with its connections. */
async function locksEnd(pool: pg.Pool): Promise<void> {
  const held = `select from pg_locks join pg_database d on d.oid = database
    where locktype = 'advisory' and datname = current_database()`;
  await expect.poll(async () => (await pool.query(held)).rowCount, { interval: 5 }).toBe(0);
}

const rowsIn = (from: number, to: number): SeriesRow[] =>
  Array.from({ length: to - from }, (_, n) =>
    // Over two days, so that a write has several files.
    aRow({ offset: from + n, tsMs: noonMs - ((from + n) % 2) * 86_400_000 + from + n, value: from + n }),
  );

const laterMs = noonMs + 3 * 86_400_000;

/** What a process does that has just begun: ends what was begun, takes what has not been taken, merges, deletes. */
async function work(archive: Archive, until: number): Promise<void> {
  for (;;) {
    const from = (await archive.progressIn("")) ?? 0;
    if (from >= until) break;
    const to = (await archive.openIntent(""))?.to ?? Math.min(until, from + 4);
    await archive.write(rowsIn(from, to), { from, to });
  }
  await archive.writeManifest();
  await archive.compact(laterMs);
  await archive.compact(laterMs + 1_000_000);
  await archive.writeManifest();
}

async function world() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  onTestFinished(async () => {
    await pool.end();
    await database.close();
  });
  const store = openMemoryObjectStore();
  const names = new Set<string>();
  const fresh = async (name: string) => {
    const own = prefixed(store, name);
    // The tables are there: their making is ensureSchema's own test.
    if (!names.has(name)) await openParquetArchive(pool, own, { name });
    names.add(name);
    return (life: Life) =>
      openParquetArchive(mortalPool(pool, life), mortalStore(own, life), { name, now: () => laterMs });
  };
  return { store, pool, fresh };
}

function prefixed(store: ObjectStore, name: string): ObjectStore {
  const key = (of: string) => `${name}/${of}`;
  return {
    ...store,
    put: (of, body) => store.put(key(of), body),
    replace: (of, body) => store.replace(key(of), body),
    get: (of) => store.get(key(of)),
    getRange: (of, start, end) => store.getRange(key(of), start, end),
    size: (of) => store.size(key(of)),
    delete: (of) => store.delete(key(of)),
  };
}

describe("a process that dies", () => {
  test("between any two of its steps loses nothing, doubles nothing and leaves no file behind", {
    timeout: 300_000,
  }, async () => {
    const { store, pool, fresh } = await world();
    const expected = (until: number) =>
      rowsIn(0, until)
        .sort((a, b) => a.tsMs - b.tsMs)
        .map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags }));
    let died = 0;
    for (let dieAt = 1; ; dieAt += 1) {
      const name = `die${dieAt}`;
      const open = await fresh(name);
      const life: Life = { step: 0, dieAt, dead: false };
      await (await open(immortal())).write(rowsIn(0, 4), { from: 0, to: 4 }); // so that there is something to merge
      const failure = await work(await open(life).catch(() => null as never), 8).catch((error) => error);
      if (failure !== undefined) died += 1;
      await locksEnd(pool);
      const archive = await open(immortal());
      await work(archive, 12);
      const label = `died at step ${dieAt}`;
      expect(await readingsOf(archive), label).toEqual(expected(12));
      const listed = (await archive.files({ fromMs: 0, toMs: laterMs })).map(({ key }) => `${name}/${key}`);
      const stored: string[] = [];
      for await (const { key } of store.list(`${name}/telemetry/`)) stored.push(key);
      expect(stored, label).toEqual(listed);
      const manifest = JSON.parse(new TextDecoder().decode(await store.get(`${name}/manifest.json`)));
      expect(
        manifest.files.map((file: { key: string }) => `${name}/${file.key}`),
        label,
      ).toEqual(listed);
      if (!life.dead) break;
    }
    expect(died).toBeGreaterThan(50);
  });

  test("leaves files that a writer of another version makes otherwise: those are deleted, not listed", async () => {
    const { store, pool, fresh } = await world();
    const archive = await (await fresh("versions"))(immortal());
    let puts = 0;
    const dying = faultyStore(prefixed(store, "versions"), ({ call, key }) => {
      if (call === "put" && key.startsWith("telemetry/")) puts += 1;
      return puts === 2 ? { kind: "answerLost", error: new Died() } : null;
    });
    const older = await openParquetArchive(pool, dying, { name: "versions" });
    await expect(older.write(rowsIn(0, 4), { from: 0, to: 4 })).rejects.toThrow(Died);
    expect(await archive.openIntent("")).toEqual({ from: 0, to: 4 });
    const otherwise = rowsIn(0, 4).map((row) => ({ ...row, region: "eu-west" }));
    const files = await archive.write(otherwise, { from: 0, to: 4 });
    await archive.compact(laterMs);
    expect((await archive.compact(laterMs + 1_000_000)).deleted).toBe(2);
    const stored: string[] = [];
    for await (const { key } of store.list("versions/telemetry/")) stored.push(key.slice("versions/".length));
    expect(stored).toEqual(files.map(({ key }) => key).sort());
    expect(await readingsOf(archive)).toHaveLength(4);
  });

  test("while it writes a range keeps every other range of the partition out", async () => {
    const { store, pool, fresh } = await world();
    const archive = await (await fresh("intents"))(immortal());
    const dying = faultyStore(prefixed(store, "intents"), ({ call, key }) =>
      call === "put" && key.startsWith("telemetry/") ? { kind: "refused", error: new Died() } : null,
    );
    const other = await openParquetArchive(pool, dying, { name: "intents" });
    await expect(other.write(rowsIn(0, 4), { from: 0, to: 4 })).rejects.toThrow(Died);
    for (const to of [3, 5]) {
      await expect(archive.write(rowsIn(0, to), { from: 0, to })).rejects.toThrow("0 to 4, which was begun");
      await expect(archive.write([], { from: 0, to })).rejects.toThrow("0 to 4, which was begun");
    }
    await archive.write(rowsIn(0, 4), { from: 0, to: 4 });
    expect(await archive.openIntent("")).toBeNull();
  });
});

test("a slow store holds up a write and nothing else, and what it stores late is no second copy", async () => {
  const { store, pool, fresh } = await world();
  const archive = await (await fresh("slow"))(immortal());
  const gate = Promise.withResolvers<void>();
  const slow = faultyStore(prefixed(store, "slow"), ({ call, key }) =>
    call === "put" && key.startsWith("telemetry/") ? { kind: "slow", until: gate.promise } : null,
  );
  const hanging = await openParquetArchive(pool, slow, { name: "slow" });
  const late = hanging.write(rowsIn(0, 4), { from: 0, to: 4 }).catch((error) => error);
  await expect.poll(() => archive.openIntent("")).not.toBeNull();
  await archive.write(rowsIn(0, 4), { from: 0, to: 4 });
  await archive.write(rowsIn(4, 8), { from: 4, to: 8 });
  gate.resolve();
  expect(await late).toBeInstanceOf(StaleProgress);
  expect(await readingsOf(archive)).toHaveLength(8);
});
