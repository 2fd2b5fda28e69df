import { analyticsContract } from "./contract.ts";
import { memoryAnalytics } from "./memory.ts";

analyticsContract("memory", async () => ({ port: memoryAnalytics(), close: async () => {} }));
