import { schemaRegistryContract } from "./contract.ts";
import { openMemorySchemaRegistry } from "./memory.ts";

schemaRegistryContract("memory", async () => {
  const registry = openMemorySchemaRegistry();
  return { registry, other: registry, close: async () => {} };
});
