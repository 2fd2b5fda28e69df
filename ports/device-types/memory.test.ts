import { deviceTypesContract } from "./contract.ts";
import { openMemoryDeviceTypes } from "./memory.ts";

deviceTypesContract("memory", async () => ({ deviceTypes: openMemoryDeviceTypes(), close: async () => {} }));
