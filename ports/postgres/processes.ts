/** What the operating system knows of other processes. Linux answers from /proc; elsewhere only "is this id alive". */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process that is not mistaken for a later one that got the same id. */
export type ProcessIdentity = { pid: number; startedAt: string | null };

export function identityOf(pid: number): ProcessIdentity {
  return { pid, startedAt: startTime(pid) };
}

export function isRunning(identity: ProcessIdentity): boolean {
  return isAlive(identity.pid) && startTime(identity.pid) === identity.startedAt;
}

/** Whether a process of that id exists. A zombie does not count: it only waits for its parent. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return statFields(pid)?.[0] !== "Z";
}

/**
 * The PostgreSQL processes that work in a data folder: every one of them has it as working directory from its first
 * to its last moment, which neither process ids nor the lock file can promise.
 * @param postmaster process id by the lock file, all there is to go by where there is no /proc
 */
export function postgresProcessesIn(dataFolder: string, postmaster: number | null): number[] {
  if (process.platform !== "linux") return postmaster !== null && isAlive(postmaster) ? [postmaster] : [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => worksIn(pid, dataFolder) && isAlive(pid));
}

export function signalAll(pids: number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Polls until the condition holds; false when the time is over. */
export async function until(condition: () => boolean, limitMs: number, everyMs = 20): Promise<boolean> {
  const endMs = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > endMs) return false;
    await sleep(everyMs);
  }
  return true;
}

function worksIn(pid: number, folder: string): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/cwd`) === folder && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "postgres"
    );
  } catch {
    return false; // ended meanwhile, or another user's: the data folder is private, so not one of ours
  }
}

function startTime(pid: number): string | null {
  return statFields(pid)?.[19] ?? null; // proc_pid_stat(5), field 22, in clock ticks since boot
}

/** The fields of /proc/<pid>/stat from the third (state) on; the second, the name, may itself hold blanks. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
