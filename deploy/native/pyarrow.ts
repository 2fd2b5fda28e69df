/**
 * pyarrow and pandas for tests of what analysts read, by pip into the cache, for the Python that is here.
 * Run by itself, it installs them: node deploy/native/pyarrow.ts
 */
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";
import { type Env, fetchWithPip, installByItself, runProgram, type Say, wordsOf } from "./fetch.ts";

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
export async function pythonWithPyarrow(say: Say = () => {}, env: Env = process.env): Promise<Python> {
  const asked = await runProgram("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], { env });
  if (asked.code !== 0) throw failed("python3 does not run here");
  const folder = join(cacheFolder(env), `pyarrow-26.0.1-python-${asked.output.trim()}`);
  await makeOnce(
    folder,
    async (into) => {
      say("Fetching pyarrow and pandas with pip, once (240 MB on disk).");
      await fetchWithPip(PACKAGES, { into, env, failed });
    },
    say,
  );
  return async (script, ...args) => {
    const outcome = await runProgram("python3", ["-c", script, ...args], { env: { ...env, PYTHONPATH: folder } });
    if (outcome.code !== 0) throw new Error(`The Python script failed: ${wordsOf(outcome)}`);
    return outcome.output;
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
    `${PACKAGES.join(" and ")} cannot be had: ${why}. Install Python 3.10 or newer with pip (Debian: apt-get install ` +
      "python3-pip).",
  );
}

if (import.meta.main)
  await installByItself(PyarrowInstallFailed, async (say) => {
    const python = await pythonWithPyarrow(say);
    return `pyarrow ${(await python("import pyarrow; print(pyarrow.__version__)")).trim()} is there.`;
  });
