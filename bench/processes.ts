/** CPU time of processes and threads, from /proc (Linux only; a tick is 10 ms). */
import { readdirSync, readFileSync } from "node:fs";

/** User and system CPU seconds of a process, its ended threads included; 0 if it is gone. */
export function cpuSecondsOf(pid: number): number {
  return secondsIn(`/proc/${pid}/stat`);
}

/** The same of one thread of a process, by the thread's name. */
export function cpuSecondsOfThread(pid: number, name: string): number {
  let seconds = 0;
  for (const task of list(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${task}`;
    if (read(`${folder}/comm`).trim() === name) seconds += secondsIn(`${folder}/stat`);
  }
  return seconds;
}

/** A process's children. */
export function childrenOf(pid: number): number[] {
  const text = list(`/proc/${pid}/task`)
    .map((task) => read(`/proc/${pid}/task/${task}/children`))
    .join(" ");
  return text.split(/\s+/).filter(Boolean).map(Number);
}

/** Resident memory, bytes. */
export function residentBytesOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/** CPU seconds of a process, of its children, and of those children that have ended. */
export function familyCpuSecondsOf(pid: number): number {
  const [userOfEnded, systemOfEnded] = statOf(`/proc/${pid}/stat`).slice(13, 15);
  const ended = (Number(userOfEnded ?? 0) + Number(systemOfEnded ?? 0)) / ticksPerSecond;
  return childrenOf(pid).reduce((seconds, child) => seconds + cpuSecondsOf(child), cpuSecondsOf(pid) + ended);
}

export function parentOf(pid: number): number {
  return Number(statOf(`/proc/${pid}/stat`)[1]);
}

const ticksPerSecond = 100;

function secondsIn(stat: string): number {
  const fields = statOf(stat);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

/** Fields of a stat file from the third on (proc(5)): state, ppid, …; the name before them may hold anything. */
function statOf(path: string): string[] {
  const stat = read(path);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
