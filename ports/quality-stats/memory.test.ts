import { qualityStatsContract } from "./contract.ts";
import { memoryQualityStats } from "./memory.ts";

qualityStatsContract("memory", async () => ({ port: memoryQualityStats(), close: async () => {} }));
