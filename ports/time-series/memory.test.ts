import { timeSeriesContract } from "./contract.ts";
import { memoryTimeSeries } from "./memory.ts";

timeSeriesContract("memory", async () => ({ port: memoryTimeSeries(), close: async () => {} }));
