/**
 * Sinks give way: on a busy machine the acknowledgement of messages goes before their projection, which catches up.
 * Linux only, where niceness is a thread's own; elsewhere, and where it is not allowed, nothing is done.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";

/** Of 19: a tenth or so of the processor while others want all of it. */
const niceness = 10;

/** Lowers the thread of this process that has `name`. Gives whether it did. */
export function lowerThread(name: string): boolean {
  try {
    const ids = readdirSync("/proc/self/task").filter((id) => commandOf(`self/task/${id}`) === name);
    for (const id of ids) setPriority(Number(id), niceness);
    return ids.length > 0;
  } catch {
    return false;
  }
}

/**
 * Lowers a PostgreSQL session on this machine; `processId` as the session says. A number that is no postgres process
 * here (a server on another machine, or in a container) is left alone. Gives whether it did.
 */
export function lowerSession(processId: number | null | undefined): boolean {
  if (!processId) return false;
  try {
    if (commandOf(String(processId)) !== "postgres") return false;
    setPriority(processId, niceness);
    return true;
  } catch {
    return false;
  }
}

function commandOf(place: string): string {
  return readFileSync(`/proc/${place}/comm`, "utf8").trim();
}
