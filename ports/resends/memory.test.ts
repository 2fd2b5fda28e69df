import { resendsContract } from "./contract.ts";
import { memoryResends } from "./memory.ts";

resendsContract("memory", async () => ({ port: memoryResends(), close: async () => {} }));
