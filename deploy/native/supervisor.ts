/**
 * One process that should run: what people do to it, and that it comes back when it ends by itself.
 *
 * S1: a process that ended unasked is started again after `restartMs`, as often as it takes; while starts fail, after
 *     pauses that double up to 15 s.
 * S2: who was stopped or killed by us stays down until `start`.
 * S3: what is asked of a process is done one after the other: a stop during a start waits for it, then stops it.
 */
import type { NativeProcess } from "./process.ts";

export type Handle = Pick<NativeProcess, "pid" | "exited" | "stop" | "kill" | "pause" | "resume">;

export type Supervision = {
  readonly name: string;
  /** Starts it, the first time and again; resolves when it is ready. */
  readonly start: () => Promise<Handle>;
  /** 1,000 */
  readonly restartMs?: number;
  /** Hears of ends and restarts, in words for a person. */
  readonly say?: (line: string) => void;
  /** After each change of state or pid. */
  readonly onChange?: () => void;
  /** `setTimeout`, unless a test has its own clock. */
  readonly after?: (ms: number, act: () => void) => void;
};

/** `waiting`: it ended by itself and will be started again. */
export type ProcessState = "starting" | "running" | "paused" | "stopping" | "stopped" | "waiting";

export type ProcessStatus = {
  readonly name: string;
  readonly state: ProcessState;
  /** null while it does not run. */
  readonly pid: number | null;
  /** How often it came back by itself. */
  readonly restarts: number;
};

const longestPauseMs = 15_000;

export class Supervised {
  readonly name: string;
  readonly #options: Supervision;
  #handle: Handle | null = null;
  #state: ProcessState = "stopped";
  #wanted = false;
  #restarts = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: Supervision) {
    this.name = options.name;
    this.#options = options;
  }

  status(): ProcessStatus {
    return { name: this.name, state: this.#state, pid: this.#handle?.pid ?? null, restarts: this.#restarts };
  }

  /** Resolves when it is ready; rejects when it cannot be started, and does not try again then. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#handle !== null) return;
      this.#wanted = true;
      await this.#launch().catch((error) => {
        this.#wanted = false;
        this.#become("stopped");
        throw error;
      });
    });
  }

  /** SIGTERM, and SIGKILL when that took longer than `graceMs` (10 s). S2 */
  stop(graceMs?: number): Promise<void> {
    return this.#end((handle) => handle.stop(graceMs));
  }

  /** SIGKILL. S2 */
  kill(): Promise<void> {
    return this.#end((handle) => handle.kill());
  }

  /** SIGKILL, as if it had happened: it comes back by itself (S1). Resolves when the process is gone. */
  crash(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#handle?.kill();
    });
  }

  /** SIGSTOP: it hangs, and its connections stay open. */
  pause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== "running") return;
      this.#handle?.pause();
      this.#become("paused");
    });
  }

  /** SIGCONT */
  resume(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== "paused") return;
      this.#handle?.resume();
      this.#become("running");
    });
  }

  /** Orderly, and again. */
  async restart(graceMs?: number): Promise<void> {
    await Promise.all([this.stop(graceMs), this.start()]);
  }

  #end(by: (handle: Handle) => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      this.#wanted = false;
      if (this.#handle !== null) {
        this.#become("stopping");
        await by(this.#handle);
      }
      this.#handle = null;
      this.#become("stopped");
    });
  }

  async #launch(): Promise<void> {
    this.#become("starting");
    const handle = await this.#options.start();
    this.#handle = handle;
    this.#become("running");
    handle.exited.then(() => this.#exited(handle));
  }

  #exited(handle: Handle): void {
    if (this.#handle !== handle || !this.#wanted) return;
    this.#handle = null;
    this.#options.say?.(`${this.name} ended by itself; starting it again.`);
    this.#comeBack();
  }

  /** S1 */
  #comeBack(failures = 0): void {
    const { restartMs = 1_000, after = later, say } = this.#options;
    this.#become("waiting");
    after(Math.min(restartMs * 2 ** failures, longestPauseMs), () => {
      this.#inTurn(async () => {
        if (!this.#wanted || this.#handle !== null) return;
        try {
          await this.#launch();
          this.#restarts += 1;
          say?.(`${this.name} is back.`);
          this.#options.onChange?.();
        } catch (error) {
          say?.(`${this.name} does not start: ${firstLine(error)}`);
          this.#comeBack(failures + 1);
        }
      });
    });
  }

  #become(state: ProcessState): void {
    this.#state = state;
    this.#options.onChange?.();
  }

  /** S3 */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(act);
    this.#queue = done.catch(() => {});
    return done;
  }
}

function later(ms: number, act: () => void): void {
  setTimeout(act, ms).unref();
}

function firstLine(error: unknown): string {
  return String((error as Error).message ?? error).split("\n", 1)[0]!;
}
