import { fleetIndexContract } from "./contract.ts";
import { memoryFleetIndex } from "./memory.ts";

fleetIndexContract("memory", async () => ({ port: memoryFleetIndex(), close: async () => {} }));
