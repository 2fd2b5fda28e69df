/**
 * ClickHouse on loopback without containers: its engine as the Python package chdb-core, installed once into the cache,
 * behind the HTTP of clickhouse-server.py. For tests; a server of one's own: DOPPEL_TEST_CLICKHOUSE=http://host:8123.
 * Run by itself, it installs what is missing: node deploy/native/clickhouse.ts
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";
import { freePort, type NativeProcess, startProcess } from "./process.ts";

type Say = (line: string) => void;
type Env = Readonly<Record<string, string | undefined>>;

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
      const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", into];
      const { code, output } = await run("python3", [...pip, `chdb-core==${VERSION}`], env);
      if (code !== 0)
        throw new ClickHouseInstallFailed(
          `pip could not fetch chdb-core ${VERSION}: ${output.trim() || "python3 does not run here"}. Install Python 3.9 or newer ` +
            "with pip (Debian: apt-get install python3-pip), or name a server: DOPPEL_TEST_CLICKHOUSE=http://host:8123.",
        );
    },
    say,
  );
  return folder;
}

function run(command: string, args: readonly string[], env: Env): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code) => resolve({ code, output }));
  });
}

if (import.meta.main) {
  try {
    console.log(`ClickHouse's engine ${VERSION} is in ${await clickHouseInstallation(console.log)}`);
  } catch (error) {
    if (!(error instanceof ClickHouseInstallFailed)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
