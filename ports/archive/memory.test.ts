import { archiveContract } from "./contract.ts";
import { openMemoryArchive } from "./memory.ts";

archiveContract("memory", async () => {
  const archive = openMemoryArchive();
  return { archive, close: () => archive.close() };
});
