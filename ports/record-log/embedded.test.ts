import { openMemoryLog } from "../event-log/memory.ts";
import { openPostgresLog, openPostgresLogReader } from "../event-log/postgres.ts";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { recordLogContract } from "./contract.ts";
import { openEmbeddedPublisher, openEmbeddedSource } from "./embedded.ts";

const options = { copyWindow: 400, maxRecords: 20, pollMs: 5, backOff: { firstMs: 10, maxMs: 200 } };

recordLogContract("the embedded log in memory", async () => {
  const log = openMemoryLog();
  return {
    publisher: openEmbeddedPublisher(log),
    source: openEmbeddedSource(log, options),
    close: log.close,
    capabilities: {},
  };
});

recordLogContract("the embedded log in PostgreSQL", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4, name: "record-log-test" });
  const log = await openPostgresLog(pool);
  return {
    publisher: openEmbeddedPublisher(log),
    source: openEmbeddedSource(openPostgresLogReader(pool), options),
    async close() {
      await log.close();
      await pool.end();
      await database.close();
    },
    capabilities: {},
  };
});
