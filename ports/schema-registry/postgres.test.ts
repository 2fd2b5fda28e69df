import { expect, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { schemaRegistryContract } from "./contract.ts";
import { RegistryAway } from "./port.ts";
import { openPostgresSchemaRegistry, postgresSchemaRegistry } from "./postgres.ts";

schemaRegistryContract("PostgreSQL", async () => {
  const database = await testDatabase();
  const pools = [openPool(database.url), openPool(database.url)] as const;
  const [registry, other] = await Promise.all(pools.map((pool) => openPostgresSchemaRegistry(pool)));
  return {
    registry: registry!,
    other: other!,
    async close() {
      await Promise.all(pools.map((pool) => pool.end()));
      await database.close();
    },
  };
});

test("a database that is away is told as such, to be asked again", async () => {
  const pool = openPool("postgresql://nobody@127.0.0.1:1/none", { max: 1 });
  const failure = await postgresSchemaRegistry(pool)
    .schema(1)
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(RegistryAway);
  expect(failure).toMatchObject({ name: "RegistryAway", code: "REGISTRY_AWAY", retry: "later" });
  await pool.end();
});
