/** vitest's globalSetup: one embedded cluster for the whole run, started when the first test asks for a database. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { type Cluster, startCluster } from "./cluster.ts";

export default async function setup(): Promise<() => Promise<void>> {
  const folder = mkdtempSync("/tmp/doppel-test-"); // not TMPDIR: a socket's path must be short
  chmodSync(folder, 0o711); // the server's user passes through when we are root
  let cluster: Promise<Cluster> | null = null;
  const server = createServer((_, response) => {
    cluster ??= startCluster(join(folder, "postgres"), {
      durable: false,
      temporary: true,
      settings: { max_connections: "200" },
    });
    cluster.then(
      ({ url }) => response.end(url),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  const socket = join(folder, "ask");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  server.unref();
  process.env.DOPPEL_TEST_CLUSTER = socket; // the workers inherit it
  return async () => {
    server.close();
    await cluster?.then((one) => one.stop()).catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  };
}
