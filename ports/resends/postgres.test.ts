import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { resendsContract } from "./contract.ts";
import { openPostgresResends } from "./postgres.ts";

resendsContract("PostgreSQL", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  return {
    port: await openPostgresResends(pool),
    async close() {
      await pool.end();
      await database.close();
    },
  };
});
