import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { credentialsContract } from "./contract.ts";
import { openPostgresCredentials } from "./postgres.ts";

credentialsContract("PostgreSQL", async (sources) => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 2 });
  return {
    credentials: await openPostgresCredentials(pool, sources),
    stored: async () => {
      const { rows } = await pool.query("select *, encode(hash, 'escape') as hash_text from credentials");
      return JSON.stringify(rows);
    },
    close: async () => {
      await pool.end();
      await database.close();
    },
  };
});
