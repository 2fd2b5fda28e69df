import { objectStoreContract } from "./contract.ts";
import { openMemoryObjectStore } from "./memory.ts";

objectStoreContract("memory", async () => openMemoryObjectStore());
