import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { eventLogContract, type OpenedLog } from "./contract.ts";
import { openPostgresLog, openPostgresLogReader, type PostgresLog } from "./postgres.ts";

async function open(): Promise<OpenedLog> {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 3 });
  const logs: PostgresLog[] = [await openPostgresLog(pool)];
  const killWriter = async () => {
    await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'doppel-log-writer' and datname = current_database()`,
    );
  };
  return {
    log: logs[0]!,
    reader: openPostgresLogReader(pool),
    reopen: async () => {
      await killWriter();
      const log = await openPostgresLog(pool);
      logs.push(log);
      return log;
    },
    openSecond: () => openPostgresLog(pool, { waitMs: 0 }),
    breakNextAppend: killWriter,
    close: async () => {
      for (const log of logs) await log.close();
      await pool.end();
      await database.close();
    },
  };
}

eventLogContract("PostgreSQL", open);

test("a row that PostgreSQL refuses breaks the log and stores nothing", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url);
  const log = await openPostgresLog(pool);
  onTestFinished(async () => {
    await log.close();
    await pool.end();
    await database.close();
  });
  await pool.query("alter table log add constraint small check (count < 2)");
  const entry = { device: "pump-4", record: { kind: "deregistered", atMs: 1 } } as const;
  expect(await log.append([entry])).toBe(0);
  await expect(log.append([entry, entry])).rejects.toMatchObject({ code: "LOG_BROKEN" });
  await expect(log.append([entry])).rejects.toMatchObject({ code: "LOG_BROKEN" });
  expect(await openPostgresLogReader(pool).end()).toBe(1);
});

test("appends are synchronous commits even where the database's default is not", async () => {
  const database = await testDatabase();
  const setup = openPool(database.url, { max: 1 });
  await setup.query(`alter database ${new URL(database.url).pathname.slice(1)} set synchronous_commit = off`);
  await setup.end();
  const pool = openPool(database.url);
  const log = await openPostgresLog(pool);
  onTestFinished(async () => {
    await log.close();
    await pool.end();
    await database.close();
  });
  await pool.query(`
    create table seen (setting text);
    create function note() returns trigger language plpgsql as $$ begin
      insert into seen values (current_setting('synchronous_commit')); return new; end $$;
    create trigger note before insert on log for each row execute function note();`);
  await log.append([{ device: "pump-4", record: { kind: "deregistered", atMs: 1 } }]);
  expect((await pool.query("select setting from seen")).rows).toEqual([{ setting: "on" }]);
});
