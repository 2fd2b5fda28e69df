import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { exportsContract } from "./contract.ts";
import { openPostgresExports } from "./postgres.ts";

exportsContract("PostgreSQL", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 3 });
  return {
    exports: await openPostgresExports(pool),
    close: async () => {
      await pool.end();
      await database.close();
    },
  };
});
