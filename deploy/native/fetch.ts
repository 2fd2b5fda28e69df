/** Fetching what is kept in the cache (cache.ts): by Maven and by pip, as this machine has them configured. */
import { spawn } from "node:child_process";

export type Env = Readonly<Record<string, string | undefined>>;
export type Say = (line: string) => void;

export type Outcome = {
  /** Null: the program is not there. */
  readonly code: number | null;
  /** What it wrote to standard output. */
  readonly output: string;
  /** And to standard error; why it did not run or was ended, where that is so. */
  readonly errors: string;
};

/** A download that hangs must not hang us; a slow one may take its time. */
const longestMs = 900_000;

/** Runs it to its end. Never rejects. */
export function runProgram(
  command: string,
  args: readonly string[],
  { env = process.env, cwd, timeoutMs = longestMs }: { env?: Env; cwd?: string; timeoutMs?: number } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      ...{ env, stdio: ["ignore", "pipe", "pipe"] },
      ...(cwd !== undefined && { cwd }),
    });
    // spawn's own time-out outlives a program that is not there.
    const timer = setTimeout(() => child.kill(), timeoutMs);
    const heard = { output: "", errors: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      heard.output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      heard.errors += text;
    });
    const end = (code: number | null, why: string) => {
      clearTimeout(timer);
      resolve({ ...heard, code, errors: `${heard.errors}${why}` });
    };
    child.once("error", (error) => end(null, error.message));
    child.once("close", (code, signal) => end(code ?? 1, signal === null ? "" : `\nended by ${signal}`));
  });
}

/** All that it said, as far as a person would read it. */
export function wordsOf({ output, errors }: Outcome): string {
  return `${errors}\n${output}`.trim().slice(-2_000);
}

/** Fills `into`. `failed` makes the error that is thrown, of why. */
export type Fetch = { readonly into: string; readonly env: Env; readonly failed: (why: string) => Error };

/** @param goal of Maven, with its parameters; run in `cwd`, or where the files go */
export async function fetchWithMaven(goal: readonly string[], { into, env, failed }: Fetch, cwd = into): Promise<void> {
  const outcome = await runProgram("mvn", ["-q", "-B", "-ntp", ...goal, `-DoutputDirectory=${into}`], { cwd, env });
  if (outcome.code === null) throw failed('it needs Maven, and "mvn" does not run here');
  if (outcome.code !== 0) throw failed(`Maven could not fetch it:\n${wordsOf(outcome)}\n`);
}

/** @param requirements packages with their versions, and options of `pip install` */
export async function fetchWithPip(requirements: readonly string[], { into, env, failed }: Fetch): Promise<void> {
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", into];
  const outcome = await runProgram("python3", [...install, ...requirements], { env });
  if (outcome.code === null) throw failed('it needs pip, and "python3" does not run here');
  if (outcome.code !== 0) throw failed(`pip could not fetch it:\n${wordsOf(outcome)}\n`);
}

/**
 * The end of a script that installs when it is run by itself: prints what `install` resolves with, or, of an error of
 * that class, its words alone.
 */
export async function installByItself(
  Failed: new (...args: never[]) => Error,
  install: (say: Say) => Promise<string>,
): Promise<void> {
  try {
    console.log(await install(console.log));
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
