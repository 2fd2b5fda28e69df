/**
 * pyarrow and pandas for tests of what analysts read, by pip into the cache, for the Python that is here.
 * Run by itself, it installs them: node deploy/native/pyarrow.ts
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";

type Env = Readonly<Record<string, string | undefined>>;

const PACKAGES = ["pyarrow==26.0.1", "pandas==3.1.1"];

/** pyarrow cannot be had here: Python or pip is missing, or the download failed. */
export class PyarrowInstallFailed extends Error {
  override readonly name = "PyarrowInstallFailed";
  readonly code = "PYARROW_INSTALL_FAILED";
  readonly retry = "never";
}

/** Runs a script and gives what it printed. */
export type Python = (script: string, ...args: string[]) => Promise<string>;

/** Installs the packages first when they are missing (20 s). @throws PyarrowInstallFailed */
export async function pythonWithPyarrow(
  say: (line: string) => void = () => {},
  env: Env = process.env,
): Promise<Python> {
  const asked = await run(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], env);
  if (asked.code !== 0) throw failed("python3 does not run here");
  const folder = join(cacheFolder(env), `pyarrow-26.0.1-python-${asked.output.trim()}`);
  await makeOnce(
    folder,
    async (into) => {
      say("Fetching pyarrow and pandas with pip, once (240 MB on disk).");
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", into];
      const { code, output } = await run([...pip, ...PACKAGES], env);
      if (code !== 0) throw failed(output.trim());
    },
    say,
  );
  return async (script, ...args) => {
    const { code, output } = await run(["-c", script, ...args], { ...env, PYTHONPATH: folder });
    if (code !== 0) throw new Error(`The Python script failed: ${output.trim()}`);
    return output;
  };
}

/** For tests: null, and loudly, where it cannot be had. In CI that is a failure. */
export async function testPython(): Promise<Python | null> {
  try {
    return await pythonWithPyarrow(console.log);
  } catch (error) {
    if (!(error instanceof PyarrowInstallFailed) || process.env.CI) throw error;
    console.warn(`SKIPPED: tests with pyarrow. ${error.message}`);
    return null;
  }
}

function failed(why: string): PyarrowInstallFailed {
  return new PyarrowInstallFailed(
    `pip could not fetch ${PACKAGES.join(" and ")}: ${why}. Install Python 3.10 or newer with pip (Debian: apt-get install ` +
      "python3-pip).",
  );
}

function run(args: readonly string[], env: Env): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn("python3", args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const heard = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => {
        heard[name] += chunk;
      });
    }
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code) => resolve({ code, output: code === 0 ? heard.stdout : heard.stderr }));
  });
}

if (import.meta.main) {
  try {
    const python = await pythonWithPyarrow(console.log);
    console.log(`pyarrow ${(await python("import pyarrow; print(pyarrow.__version__)")).trim()} is there.`);
  } catch (error) {
    if (!(error instanceof PyarrowInstallFailed)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
