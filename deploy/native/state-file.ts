/**
 * `state.json`: what a running native system says of itself to those who want to steer or end it, and what its
 * processes were, should it be killed. Process ids go with their start times, so that nobody else's process is ended.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identityOf, isRunning, type ProcessIdentity, until } from "../../ports/postgres/processes.ts";
import type { ProcessStatus } from "./supervisor.ts";

export type StateFile = {
  readonly supervisor: ProcessIdentity;
  /** Where it takes commands, once it does. */
  readonly control: { readonly port: number; readonly token: string } | null;
  /** null until everything is up. */
  readonly urls: { readonly http: string; readonly mqtt: string; readonly ws: string } | null;
  readonly processes: readonly (ProcessIdentity & { readonly name: string })[];
};

export const defaultFolder = join(import.meta.dirname, "..", "..", ".doppel", "native");

/** null: nothing has been started on the folder, or it has been stopped. */
export function readState(folder: string): StateFile | null {
  try {
    return JSON.parse(readFileSync(pathOf(folder), "utf8")) as StateFile;
  } catch {
    return null; // not there, or cut short when the machine went down
  }
}

export function writeState(folder: string, state: StateFile): void {
  const making = `${pathOf(folder)}.${process.pid}`;
  writeFileSync(making, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(making, pathOf(folder));
}

export function removeState(folder: string): void {
  rmSync(pathOf(folder), { force: true });
}

export function processesOf(status: readonly ProcessStatus[]): StateFile["processes"] {
  return status.flatMap(({ name, pid }) => (pid === null ? [] : [{ name, ...identityOf(pid) }]));
}

export type Ended = {
  readonly name: string;
  /** "killed": it did not end when it was asked to. */
  readonly how: "stopped" | "killed";
};

/** Ends what is left of a system whose supervisor is gone. Resolves with what it ended, in the order of the file. */
export async function endLeftovers(state: StateFile, graceMs = 10_000): Promise<Ended[]> {
  const left = state.processes.filter(isRunning);
  for (const { pid } of left) {
    signal(pid, "SIGTERM");
    signal(pid, "SIGCONT"); // paused, it would never hear
  }
  const stubborn = new Set<string>();
  if (!(await until(() => !left.some(isRunning), graceMs))) {
    for (const each of left.filter(isRunning)) {
      stubborn.add(each.name);
      signal(each.pid, "SIGKILL");
    }
    await until(() => !left.some(isRunning), graceMs);
  }
  return left.map(({ name }) => ({ name, how: stubborn.has(name) ? "killed" : "stopped" }));
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function pathOf(folder: string): string {
  return join(folder, "state.json");
}
