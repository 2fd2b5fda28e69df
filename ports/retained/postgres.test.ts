import pg from "pg";
import { testDatabase } from "../postgres/testing.ts";
import { retainedContract } from "./contract.ts";
import { openPostgresRetainedStore } from "./postgres.ts";

retainedContract("PostgreSQL", async () => {
  const database = await testDatabase();
  const pool = new pg.Pool({ connectionString: database.url });
  return {
    store: await openPostgresRetainedStore(pool),
    reopen: () => openPostgresRetainedStore(pool),
    close: async () => {
      await pool.end();
      await database.close();
    },
  };
});
