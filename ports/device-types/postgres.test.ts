import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { deviceTypesContract } from "./contract.ts";
import { openPostgresDeviceTypes } from "./postgres.ts";

deviceTypesContract("PostgreSQL", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 2 });
  const close = async () => {
    await pool.end();
    await database.close();
  };
  return { deviceTypes: await openPostgresDeviceTypes(pool), close };
});
