import { softStateContract } from "./contract.ts";
import { memorySoftStorage, openMemorySoftState } from "./memory.ts";

softStateContract("memory", async () => {
  const storage = memorySoftStorage();
  const store = openMemorySoftState(storage);
  return {
    store,
    reopen: async () => openMemorySoftState(storage),
    goAway: async () => {
      storage.away = "The storage is away.";
    },
    comeBack: async () => {
      storage.away = null;
    },
    close: async () => {},
  };
});
