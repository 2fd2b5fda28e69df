import { retainedContract } from "./contract.ts";
import { MemoryRetained } from "./memory.ts";

retainedContract("memory", async () => {
  const store = new MemoryRetained();
  return { store, reopen: async () => store, close: async () => {} };
});
