import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { deviceTypesContract } from "./contract.ts";
import { plainType } from "./port.ts";
import { openPostgresDeviceTypes } from "./postgres.ts";

async function database() {
  const { url, close } = await testDatabase();
  const pool = openPool(url, { max: 4 });
  return {
    pool,
    close: async () => {
      await pool.end();
      await close();
    },
  };
}

deviceTypesContract("PostgreSQL", async () => {
  const { pool, close } = await database();
  return { deviceTypes: await openPostgresDeviceTypes(pool), close };
});

test("a table of an earlier release, which knew policies only, is brought up to date", async () => {
  const { pool, close } = await database();
  onTestFinished(close);
  await pool.query(`create table device_types (type text collate "C" primary key, policy json not null)`);
  await pool.query("insert into device_types values ($1, $2)", ["pump", '{"graceMs": 5}']);
  await openPostgresDeviceTypes(pool);
  const types = await openPostgresDeviceTypes(pool);
  expect(await types.of("pump")).toEqual({ ...plainType, policy: { graceMs: 5 } });
  await types.put("valve", { retentionDays: 7 });
  expect(await types.retentionOf()).toEqual(new Map([["valve", 7]]));
});

test("a row that somebody mends by hand moves the revision, and one that is rolled back does not", async () => {
  const { pool, close } = await database();
  onTestFinished(close);
  const types = await openPostgresDeviceTypes(pool);
  await types.put("valve", { policy: { graceMs: 1 } });
  const before = await types.revision();
  await pool.query(`begin; update device_types set policy = '{"graceMs": 2}'; rollback`);
  expect(await types.revision()).toBe(before);
  await pool.query(`update device_types set policy = '{"graceMs": 2}'`);
  const after = await types.revision();
  expect(after).toBeGreaterThan(before);
  await (await openPostgresDeviceTypes(pool)).all();
  expect(await types.revision()).toBe(after);
});
