import { eventLogContract } from "./contract.ts";
import { memoryLogStorage, openMemoryLog } from "./memory.ts";

eventLogContract("memory", async () => {
  const storage = memoryLogStorage();
  const log = openMemoryLog(storage);
  return {
    log,
    reader: log,
    reopen: async () => {
      await log.close();
      return openMemoryLog(storage);
    },
    openSecond: async () => openMemoryLog(storage),
    breakNextAppend: async () => {
      storage.failNextAppend = "after";
    },
    close: async () => {},
  };
});
