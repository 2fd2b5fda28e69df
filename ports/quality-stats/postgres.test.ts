import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { qualityStatsContract } from "./contract.ts";
import { openPostgresQualityStats } from "./postgres.ts";

qualityStatsContract("PostgreSQL", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  return {
    port: await openPostgresQualityStats(pool),
    async close() {
      await pool.end();
      await database.close();
    },
  };
});
