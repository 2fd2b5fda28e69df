/** Steps a consumer until it is stopped: at once while there is more, else on a signal, at the latest each `pollMs`. */
import { StaleProgress } from "../ports/time-series/port.ts";
import { CircuitOpen } from "./breaker.ts";
import type { Consumer, Step } from "./consumer.ts";

export type LoopTimes = {
  /** Looks for itself this often, in case a signal was lost. */
  readonly pollMs: number;
  /** After a small step it lets more come together: fewer, larger transactions. */
  readonly lingerMs: number;
  /** The pause after a first failure; it doubles with each further one, up to `maxBackOffMs`. */
  readonly backOffMs: number;
  readonly maxBackOffMs: number;
};

export const defaultTimes: LoopTimes = { pollMs: 1_000, lingerMs: 200, backOffMs: 250, maxBackOffMs: 15_000 };

export type Loop = {
  /** There is something to read. */
  signal(): void;
  /** Ends after the step under way. */
  stop(): Promise<void>;
};

/** @param wait resolves after that many ms, or as soon as `cut` aborts */
export function runLoop(
  consumer: Consumer,
  {
    times = defaultTimes,
    wait = waitFor,
    onFailure = () => {},
  }: {
    times?: LoopTimes;
    wait?: (ms: number, cut: AbortSignal) => Promise<void>;
    onFailure?: (consumer: string, error: Error) => void;
  } = {},
): Loop {
  let stopping = false;
  let signalled = false;
  const stopped = new AbortController();
  let idle: AbortController | null = null;

  async function run(): Promise<void> {
    while (!stopping) {
      signalled = false;
      const step = await consumer.step();
      if (stopping) return;
      if (step.kind === "failed" && !isStale(step)) onFailure(consumer.name, step.error);
      if (step.kind !== "idle") {
        const ms = pauseAfter(step, times);
        if (ms > 0) await wait(ms, stopped.signal);
      } else if (!signalled) {
        idle = new AbortController();
        await wait(times.pollMs, AbortSignal.any([idle.signal, stopped.signal]));
        idle = null;
      }
    }
  }

  const done = run();
  return {
    signal() {
      signalled = true;
      idle?.abort();
    },
    stop() {
      stopping = true;
      stopped.abort();
      return done;
    },
  };
}

/** How long to wait after a step that was not idle, ms. */
export function pauseAfter(step: Exclude<Step, { kind: "idle" }>, times: LoopTimes): number {
  if (step.kind === "advanced") return step.full ? 0 : times.lingerMs;
  if (isStale(step)) return 0;
  const backOffMs = Math.min(times.backOffMs * 2 ** Math.min(step.times - 1, 30), times.maxBackOffMs);
  // A circuit says itself when it lets somebody try.
  if (step.error instanceof CircuitOpen) return Math.min(backOffMs, Math.max(times.backOffMs, step.error.leftMs));
  return backOffMs;
}

/** Another writer was quicker once: read again at once. Again and again is a failure like any other. */
function isStale(step: Extract<Step, { kind: "failed" }>): boolean {
  return step.error instanceof StaleProgress && step.times === 1;
}

function waitFor(ms: number, cut: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (cut.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      cut.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    cut.addEventListener("abort", end);
  });
}
