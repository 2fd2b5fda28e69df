import { exportsContract } from "./contract.ts";
import { openMemoryExports } from "./memory.ts";

exportsContract("memory", async () => ({ exports: openMemoryExports(), close: async () => {} }));
