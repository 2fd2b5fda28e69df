/**
 * ClickHouse on loopback without containers: its engine as the Python package chdb-core, installed once into the cache,
 * behind the HTTP of clickhouse-server.py. For tests; a server of one's own: DOPPEL_TEST_CLICKHOUSE=http://host:8123.
 * Run by itself, it installs what is missing: node deploy/native/clickhouse.ts
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";
import { type Env, fetchWithPip, installByItself, type Say } from "./fetch.ts";
import { freePort, type NativeProcess, startProcess } from "./process.ts";

/** The engine of ClickHouse 26.9. */
const VERSION = "26.9.0";

/** ClickHouse's engine cannot be had here: Python or pip is missing, or the download failed. */
export class ClickHouseInstallFailed extends Error {
  override readonly name = "ClickHouseInstallFailed";
  readonly code = "CLICKHOUSE_INSTALL_FAILED";
  readonly retry = "never";
}

export type NativeClickHouse = {
  /** http://127.0.0.1:port */
  readonly url: string;
  readonly process: NativeProcess;
  stop(): Promise<void>;
};

/** Starts it with its data and its log in `folder`. @throws ClickHouseInstallFailed */
export async function startClickHouse({
  folder,
  say = () => {},
}: {
  folder: string;
  say?: Say;
}): Promise<NativeClickHouse> {
  const modules = await clickHouseInstallation(say);
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const started = await startProcess({
    name: "ClickHouse",
    command: "python3",
    args: [join(import.meta.dirname, "clickhouse-server.py"), String(port), join(folder, "data")],
    env: { PYTHONPATH: modules },
    logFile: join(folder, "clickhouse.log"),
    ready: async () => (await fetch(`${url}/ping`)).ok,
  });
  return { url, process: started, stop: () => started.stop() };
}

/** The folder of Python modules; installs them first when they are missing (15 s). */
export async function clickHouseInstallation(say: Say = () => {}, env: Env = process.env): Promise<string> {
  const folder = join(cacheFolder(env), `clickhouse-${VERSION}`);
  await makeOnce(
    folder,
    async (into) => {
      say(`Fetching ClickHouse's engine ${VERSION} with pip, once (560 MB on disk).`);
      // Without what it only needs for data frames.
      await fetchWithPip(["--no-deps", `chdb-core==${VERSION}`], { into, env, failed });
    },
    say,
  );
  return folder;
}

function failed(why: string): ClickHouseInstallFailed {
  return new ClickHouseInstallFailed(
    `ClickHouse's engine (chdb-core ${VERSION}) cannot be had: ${why}. Install Python 3.9 or newer with pip (Debian: ` +
      "apt-get install python3-pip), or name a server: DOPPEL_TEST_CLICKHOUSE=http://host:8123.",
  );
}

if (import.meta.main)
  await installByItself(
    ClickHouseInstallFailed,
    async (say) => `ClickHouse's engine ${VERSION} is in ${await clickHouseInstallation(say)}`,
  );
