/**
 * Who owns a cluster's folder: a file that names the Node process, taken before PostgreSQL is started and given back
 * after it has stopped. It tells a live instance (refuse) from what a killed one left (clean up).
 * PostgreSQL's own lock stays the last word on the data.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ClusterInUse } from "./errors.ts";
import { identityOf, isRunning, type ProcessIdentity } from "./processes.ts";

export type Claim = {
  /** A process that was killed held the folder before. */
  inherited: boolean;
  release(): void;
};

/** @throws ClusterInUse when a live process holds the folder, this one included */
export function claim(folder: string): Claim {
  const path = join(folder, "holder.json");
  const mine = `${path}.${process.pid}`;
  let inherited = false;
  writeFileSync(mine, JSON.stringify(identityOf(process.pid)));
  try {
    while (!tryLink(mine, path)) {
      refuseLive(folder, read(path));
      inherited = true;
      removeDead(folder, path, `${mine}.dead`);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return { inherited, release: () => rmSync(path, { force: true }) };
}

/** By rename, since another may have taken over from the dead holder between our look and our removal. */
function removeDead(folder: string, path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    refuseLive(folder, read(aside));
  } catch (error) {
    tryLink(aside, path);
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function refuseLive(folder: string, holder: ProcessIdentity | null): void {
  if (holder !== null && isRunning(holder)) throw new ClusterInUse(folder, holder.pid, "another running Doppel");
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function read(path: string): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity;
  } catch {
    return null; // gone, or cut short when the machine went down
  }
}
