/**
 * Where things that take long to make (libraries, programs) are kept between runs and clones.
 *
 * C1: a folder with the final name is complete: it is made beside it and renamed.
 * C2: of several processes one makes it and the others wait; should the lock fail, two make the same thing (C1).
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

const STEP_MS = 500;
const PROGRESS_MS = 30_000;
/** A lock that its owner has not touched for so long is abandoned. */
const STALE_MS = 60_000;

/** DOPPEL_CACHE, else `doppel` in XDG_CACHE_HOME, else `~/.cache/doppel`. */
export function cacheFolder(env: Env = process.env): string {
  if (env.DOPPEL_CACHE) return env.DOPPEL_CACHE;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "doppel");
  return join(homedir(), ".cache", "doppel");
}

/** Makes the folder unless it is there: `make` fills the empty folder that it is given. What `make` throws is thrown. */
export async function makeOnce(
  folder: string,
  make: (into: string) => Promise<void>,
  say: (line: string) => void = () => {},
): Promise<void> {
  if (existsSync(folder)) return;
  mkdirSync(dirname(folder), { recursive: true });
  const lock = `${folder}.lock`;
  for (let waitedMs = 0; !takeLock(lock); waitedMs += STEP_MS) {
    if (waitedMs % PROGRESS_MS === 0) say(`Another process makes ${folder}; waiting for it.`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    if (existsSync(folder)) return;
  }
  const touch = setInterval(() => touchLock(lock), STALE_MS / 6);
  const making = `${folder}.making-${process.pid}`;
  try {
    if (existsSync(folder)) return;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making);
    await make(making);
    if (!existsSync(folder)) renameSync(making, folder); // C1
  } finally {
    clearInterval(touch);
    rmSync(making, { recursive: true, force: true });
    if (lockOwner(lock) === process.pid) rmSync(lock, { force: true });
  }
}

function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (isAbandoned(lock)) rmSync(lock, { force: true }); // taken on the next round
    return false;
  }
}

function isAbandoned(lock: string): boolean {
  try {
    if (Date.now() - statSync(lock).mtimeMs > STALE_MS) return true;
    const owner = lockOwner(lock);
    return owner !== null && !isAlive(owner);
  } catch {
    return false; // it has just been given back
  }
}

function lockOwner(lock: string): number | null {
  try {
    return Number(readFileSync(lock, "utf8")) || null; // empty for a moment, while it is being written
  } catch {
    return null;
  }
}

function touchLock(lock: string): void {
  try {
    utimesSync(lock, new Date(), new Date());
  } catch {} // somebody took it for abandoned: C2
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
