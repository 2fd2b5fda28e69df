/**
 * One server process of somebody else's making (Kafka, Redis, mosquitto, daprd…), started by ours on loopback.
 * Its owner says what runs and when it is ready; this file starts it, watches it and ends it.
 *
 * P1: it never outlives the process that started it, even one killed with -9 (the watcher shell, see SERVE).
 * P2: `pid` is the server itself, not a shell around it, so a signal reaches what it is meant for.
 * P3: a start that fails leaves no process behind and says what the server's log says.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Writable } from "node:stream";

export type ProcessExit = { code: number | null; signal: NodeJS.Signals | null };

export type NativeProcess = {
  name: string;
  pid: number;
  /** Never rejects. Does not keep this process alive. */
  exited: Promise<ProcessExit>;
  /** SIGTERM, and SIGKILL when that took longer than graceMs (10 s). Idempotent. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: the process hangs, its sockets stay open. */
  pause(): void;
  /** SIGCONT */
  resume(): void;
};

export type ProcessOptions = {
  /** For messages: "Kafka". */
  name: string;
  /** A program on the PATH, or its path. */
  command: string;
  args: readonly string[];
  /** Goes over our own environment; undefined takes a variable away. */
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** Output and errors are appended to it; its folder is made. */
  logFile: string;
  /** Asked again and again until it says true. A rejection counts as false. */
  ready: () => Promise<boolean>;
  /** How long it may take to be ready; 60,000. */
  readyMs?: number;
  /** false: it lives on when this process is killed. */
  dieWithParent?: boolean;
};

/** The server could not be started: a program is missing, it ended at once, or it never became ready. */
export class NativeProcessFailed extends Error {
  override readonly name = "NativeProcessFailed";
  readonly code = "NATIVE_PROCESS_FAILED";
  readonly retry = "never";
}

const POLL_MS = 50;
const LOG_LINES = 15;

/** Starts the process and waits until it is ready. @throws NativeProcessFailed, with the last lines of its log */
export async function startProcess(options: ProcessOptions): Promise<NativeProcess> {
  const { name, logFile, readyMs = 60_000 } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  const logFrom = existsSync(logFile) ? statSync(logFile).size : 0;
  const { child, exited } = launch(options);
  if (child.pid === undefined)
    throw new NativeProcessFailed(`${name} could not be started: /bin/sh does not run here.`);
  const started = control(name, child, child.pid, exited);
  let ended: ProcessExit | null = null;
  exited.then((exit) => {
    ended = exit;
  });
  const lastMs = Date.now() + readyMs;
  for (;;) {
    const ready = await options.ready().catch(() => false);
    if (ended !== null) throw new NativeProcessFailed(`${name} ${describeExit(ended, options.command)}. ${words()}`);
    if (ready) return started;
    if (Date.now() > lastMs) {
      await started.kill();
      throw new NativeProcessFailed(`${name} was not ready within ${readyMs / 1000} s. ${words()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }

  function words(): string {
    const lines = readFileSync(logFile).subarray(logFrom).toString().trim().split("\n").slice(-LOG_LINES).join("\n");
    return lines === "" ? `Its log (${logFile}) is empty.` : `The end of its log (${logFile}):\n${lines}`;
  }
}

/**
 * P1, P2. The shell leaves a watcher behind, then becomes the server. The watcher holds one end of a pipe (3) to us:
 * when we end, whatever the reason, it reads the end of file and ends the server; "over" says that the server has
 * ended already, so that its process id is not signalled when somebody else may have it.
 */
const SERVE = `
( (
  while read -r word <&3; do [ "$word" = over ] && exit; done
  kill -TERM $$ 2>/dev/null; kill -CONT $$ 2>/dev/null
  n=0
  while kill -0 $$ 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done
  kill -KILL $$ 2>/dev/null
) >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
`;

function launch(options: ProcessOptions): { child: ChildProcess; exited: Promise<ProcessExit> } {
  const watched = options.dieWithParent ?? true;
  const log = openSync(options.logFile, "a", 0o600);
  const child = spawn(
    "/bin/sh",
    ["-c", watched ? SERVE : 'exec "$@"', options.name, options.command, ...options.args],
    {
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: ["ignore", log, log, watched ? "pipe" : "ignore"],
      detached: true, // its own session: Ctrl-C on the terminal is for us, we then stop it in order
    },
  );
  closeSync(log);
  const lifeline = child.stdio[3] as Writable | null | undefined;
  lifeline?.on("error", () => {}); // the watcher may have been killed
  const exited = new Promise<ProcessExit>((resolve) => {
    const finish = (exit: ProcessExit) => {
      lifeline?.end("over\n");
      resolve(exit);
    };
    child.once("error", () => finish({ code: null, signal: null }));
    child.once("exit", (code, signal) => finish({ code, signal }));
  });
  child.unref();
  (lifeline as Socket | null | undefined)?.unref();
  return { child, exited };
}

function control(name: string, child: ChildProcess, pid: number, exited: Promise<ProcessExit>): NativeProcess {
  const end = async (signal: NodeJS.Signals, graceMs: number): Promise<void> => {
    child.ref(); // so that we live to see it end
    child.kill(signal);
    if (signal !== "SIGKILL") child.kill("SIGCONT"); // paused, it would never hear
    const last = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await exited.finally(() => clearTimeout(last));
  };
  return {
    name,
    pid,
    exited,
    stop: (graceMs = 10_000) => end("SIGTERM", graceMs),
    kill: () => end("SIGKILL", 60_000),
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
  };
}

function describeExit({ code, signal }: ProcessExit, command: string): string {
  if (code === 127) return `could not be started: "${command}" is not installed, or not on the PATH`;
  return `${signal === null ? `ended with code ${code}` : `was killed by ${signal}`} before it was ready`;
}

/** Below the ephemeral range of Linux (32768…), where an outgoing connection may take a port any moment. */
const FIRST = 10_001;
const LAST = 32_767;

const given = new Set<number>();

/** A free port of 127.0.0.1, never the same twice in this process; a random one, so that processes hardly collide. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const port = randomInt(FIRST, LAST + 1);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port found on 127.0.0.1 between ${FIRST} and ${LAST}. End what listens there.`);
}

/** Whether somebody accepts connections on the port of 127.0.0.1. */
export function portAnswers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
