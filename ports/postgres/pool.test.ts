import { expect, onTestFinished, test } from "vitest";
import { openPool } from "./pool.ts";
import { testDatabase } from "./testing.ts";

test("a pool outlives the end of an idle connection, and says so", async () => {
  const { url, close } = await testDatabase();
  onTestFinished(close);
  const { promise, resolve } = Promise.withResolvers<Error>();
  const pool = openPool(url, { onIdleError: resolve, name: "pool test" });
  onTestFinished(() => pool.end());
  const { rows } = await pool.query("select pg_backend_pid() as pid, current_setting('application_name') as name");
  expect(rows[0].name).toBe("pool test");
  const other = openPool(url);
  onTestFinished(() => other.end());
  await other.query("select pg_terminate_backend($1)", [rows[0].pid]);
  expect((await promise).message).toMatch(/terminat/);
  expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
});
