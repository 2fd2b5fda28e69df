import { twinStoreContract } from "./contract.ts";
import { memoryTwinStorage, openMemoryTwinStore } from "./memory.ts";

twinStoreContract("memory", async () => {
  const storage = memoryTwinStorage();
  return {
    store: openMemoryTwinStore(storage),
    reopen: async () => openMemoryTwinStore(storage),
    close: async () => {},
  };
});
