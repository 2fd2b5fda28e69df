import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { aMember, membershipContract } from "./contract.ts";
import { openPostgresMembership } from "./postgres.ts";

async function open() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 3 });
  const reopen = () => openPostgresMembership(pool);
  return {
    membership: await reopen(),
    reopen,
    pool,
    // The store's clock cannot be moved: what it has seen moves back instead.
    pass: async (ms: number) => {
      await pool.query("update members set seen_at = seen_at - $1 * interval '1 millisecond'", [ms]);
    },
    close: async () => {
      await pool.end();
      await database.close();
    },
  };
}

membershipContract("PostgreSQL", open);

test("rows of the forgotten go when somebody beats", async () => {
  const { membership, pool, pass, close } = await open();
  onTestFinished(close);
  await membership.beat(aMember("actors-1"));
  await pass(3_600_001);
  await membership.beat(aMember("actors-2"));
  expect((await pool.query("select id from members")).rows).toEqual([{ id: "actors-2#1" }]);
});

test("processes that start at the same moment in an empty database do not disturb each other", async () => {
  const { pool, close } = await open();
  onTestFinished(close);
  await pool.query("drop table members");
  const opened = await Promise.all([openPostgresMembership(pool), openPostgresMembership(pool)]);
  await Promise.all(opened.map((membership, index) => membership.beat(aMember(`actors-${index}`))));
  expect(await opened[0]!.members()).toHaveLength(2);
});
