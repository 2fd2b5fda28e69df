import { twinStateContract } from "./contract.ts";
import { memoryTwinDatabase, openMemoryTwinState } from "./memory.ts";

twinStateContract("memory", async () => {
  const database = memoryTwinDatabase();
  const clock = { nowMs: 0 };
  return {
    fenced: true,
    sweepable: true,
    openFor: async (host) => openMemoryTwinState(database, { host, now: () => clock.nowMs }),
    clock,
    spoil: async (device) => {
      database.twins.get(device)!.state = "not a twin";
    },
    close: async () => {},
  };
});
