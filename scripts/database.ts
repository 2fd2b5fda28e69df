import { realpathSync } from "node:fs";
import { join } from "node:path";
import { clusterUrl, DATABASE, startCluster } from "../ports/postgres/cluster.ts";
import { ClusterInUse } from "../ports/postgres/errors.ts";

/** The configured database; the embedded one is started for the while if Doppel does not run. */
export async function openDatabase(config: {
  readonly databaseUrl: string;
  readonly dataDir: string;
}): Promise<{ readonly url: string; close(): Promise<void> }> {
  if (config.databaseUrl !== "") return { url: config.databaseUrl, close: async () => {} };
  const folder = join(config.dataDir, "postgres");
  try {
    const cluster = await startCluster(folder);
    return { url: cluster.url, close: () => cluster.stop() };
  } catch (error) {
    if (!(error instanceof ClusterInUse)) throw error;
    return { url: clusterUrl(realpathSync(join(folder, "socket")), DATABASE), close: async () => {} };
  }
}
