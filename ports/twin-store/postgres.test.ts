import { expect, onTestFinished, test } from "vitest";
import { newTwin } from "../../core/device/twin.ts";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { twinStoreContract } from "./contract.ts";
import { openPostgresTwinStore } from "./postgres.ts";

async function open() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 3 });
  const reopen = () => openPostgresTwinStore(pool);
  const close = async () => {
    await pool.end();
    await database.close();
  };
  return { store: await reopen(), reopen, pool, close };
}

twinStoreContract("PostgreSQL", open);

test("a save that fails half-way stores none of its twins and does not move the replay", async () => {
  const { store, pool, close } = await open();
  onTestFinished(close);
  await pool.query("alter table twins add constraint small check (revision < 5)");
  const checkpoint = (id: string, revision: number) => ({
    twin: { ...newTwin(id), revision },
    nextOffset: 1,
    deadlineMs: null,
  });
  await expect(store.save([checkpoint("pump-4", 1), checkpoint("pump-5", 5)], 7)).rejects.toThrow("small");
  expect(await store.load(["pump-4", "pump-5"])).toEqual(new Map());
  expect(await store.replayFrom()).toBe(0);
});

test("a store of another release's format is refused, and left as it is", async () => {
  const { store, reopen, pool, close } = await open();
  onTestFinished(close);
  await store.save([{ twin: newTwin("pump-4"), nextOffset: 1, deadlineMs: null }], 1);
  await pool.query("update twin_meta set format = format + 1");
  await expect(reopen()).rejects.toMatchObject({ code: "FOREIGN_FORMAT" });
  expect((await store.load(["pump-4"])).size).toBe(1);
});
