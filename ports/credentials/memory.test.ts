import { credentialsContract } from "./contract.ts";
import { openMemoryCredentials } from "./memory.ts";

credentialsContract("memory", async (sources) => {
  const credentials = openMemoryCredentials(sources);
  const stored = async () => JSON.stringify([await credentials.list("device"), await credentials.list("app")]);
  return { credentials, stored, close: async () => {} };
});
