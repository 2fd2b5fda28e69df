import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { sinkDeadLettersContract } from "./contract.ts";
import { openPostgresSinkDeadLetters } from "./postgres.ts";

sinkDeadLettersContract("PostgreSQL", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 2 });
  return {
    port: await openPostgresSinkDeadLetters(pool),
    async close() {
      await pool.end();
      await database.close();
    },
  };
});
