import type { Pool } from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { cancellable } from "./cancellable.ts";
import { openPool } from "./pool.ts";
import { testDatabase } from "./testing.ts";

const soon = { timeout: 20_000, interval: 20 };

async function opened({ max }: { max: number }) {
  const database = await testDatabase();
  const [pool, beside] = [openPool(database.url, { max }), openPool(database.url, { max: 1 })];
  onTestFinished(async () => {
    await Promise.all([pool.end(), beside.end()]);
    await database.close();
  });
  return { pool, sleeping: () => sleepers(beside) };
}

async function sleepers(pool: Pool): Promise<number> {
  const { rows } = await pool.query(
    `select count(*)::integer as count from pg_stat_activity
     where datname = current_database() and state = 'active' and query like 'select pg_sleep(600)%'`,
  );
  return rows[0].count;
}

const pidOf = async (pool: Pool) => (await pool.query("select pg_backend_pid() as pid")).rows[0].pid;

test("a statement that nobody waits for any more is gone from the database, and its connection works on", async () => {
  const { pool, sleeping } = await opened({ max: 1 });
  const pid = await pidOf(pool);
  const gone = new AbortController();
  const asked = cancellable(pool, gone.signal).query("select pg_sleep(600)");
  asked.catch(() => {});
  await vi.waitFor(async () => expect(await sleeping()).toBe(1), soon);
  gone.abort(new Error("The client has gone."));
  await expect(asked).rejects.toThrow("The client has gone.");
  expect(await sleeping()).toBe(0);
  expect(await pidOf(pool)).toBe(pid);
});

test("it needs no room in the pool: all connections may be busy", async () => {
  const { pool, sleeping } = await opened({ max: 3 });
  const gone = new AbortController();
  const asked = [1, 2, 3, 4, 5].map(() => cancellable(pool, gone.signal).query("select pg_sleep(600)"));
  const settled = Promise.allSettled(asked);
  await vi.waitFor(async () => expect(await sleeping()).toBe(3), soon);
  gone.abort("gone");
  expect(await settled).toEqual(asked.map(() => ({ status: "rejected", reason: "gone" })));
  expect(await sleeping()).toBe(0);
});

test("whenever the abort comes, the next statement is not cancelled in its place", async () => {
  const { pool } = await opened({ max: 1 });
  for (let round = 0; round < 30; round += 1) {
    const gone = new AbortController();
    const asked = cancellable(pool, gone.signal).query({ text: "select 7 as number", rowMode: "array" });
    const settled = Promise.allSettled([asked]);
    for (let turns = 0; turns < round; turns += 1) await new Promise(setImmediate);
    gone.abort("gone");
    const [outcome] = await settled;
    expect(outcome).toMatchObject(
      outcome?.status === "fulfilled" ? { value: { rows: [[7]] } } : { status: "rejected", reason: "gone" },
    );
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  }
});

test("who has gone before costs nothing, and errors come as they are", async () => {
  const { pool } = await opened({ max: 1 });
  await expect(cancellable(pool, AbortSignal.abort("gone")).query("select 1")).rejects.toBe("gone");
  const { signal } = new AbortController();
  await expect(cancellable(pool, signal).query("select 1 / 0")).rejects.toMatchObject({ code: "22012" });
  expect((await cancellable(pool, signal).query("select $1::int as n", [7])).rows).toEqual([{ n: 7 }]);
  expect(cancellable(pool, undefined)).toBe(pool);
});
