/** Starts the sinks in a thread of their own, and speaks for them in this one. */
import { Worker } from "node:worker_threads";
import type { QualityTotals } from "../ports/quality-stats/totals.ts";
import { type FromWorker, type ToldStats, type ToWorker, threadName, type WorkerData } from "./messages.ts";

export type SinksConfig = WorkerData & {
  /** Told what a sink gets over by itself: a failed commit, a lost connection. */
  readonly onWarning?: (message: string) => void;
};

export type SinkStats = ToldStats & {
  /** Records of the log that it has not yet taken in, as far as is known here. */
  readonly lag: number;
};

export type Sinks = {
  /** The log now ends at `endOffset`. Cheap: call it after each commit. */
  signal(endOffset: number): void;
  /** By the sinks' names; at most some 250 ms old. */
  stats(): Readonly<Record<string, SinkStats>>;
  /** How good the data is, counted since the start; some seconds old. */
  quality(): QualityTotals;
  /** Ends after the transactions under way. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when the thread has ended because it was stopped; rejects when it ended by itself. */
  readonly closed: Promise<void>;
};

/** Signals within this time go as one. */
const signalMs = 20;
/** A transaction that takes longer is cut: it comes again at the next start. */
const stopMs = 10_000;

/** Resolves when the tables and partitions are there and the sinks read; rejects when they cannot be opened. */
export async function startSinks(
  { onWarning = () => {}, ...config }: SinksConfig,
  script = new URL("./worker.ts", import.meta.url),
): Promise<Sinks> {
  const worker = new Worker(script, {
    name: threadName,
    workerData: config satisfies WorkerData,
    // Not those of this process: a test runner's or debugger's are not for the worker.
    execArgv: [],
  });
  let told: Readonly<Record<string, ToldStats>> = {};
  let quality: QualityTotals = { groups: [], rules: [] };
  let end = 0;
  let signalling: NodeJS.Timeout | null = null;
  let stopping: Promise<void> | null = null;
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  // Whoever wants to know awaits it; nobody has to.
  closed.promise.catch(() => {});

  const send = (message: ToWorker) => worker.postMessage(message);
  const fail = (error: Error) => {
    ready.reject(error);
    closed.reject(error);
  };
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "ready") ready.resolve();
    else if (message.kind === "warning") onWarning(message.message);
    else if (message.kind === "quality") quality = message.totals;
    else told = message.sinks;
  });
  worker.once("error", (error) => fail(error instanceof Error ? error : new Error(String(error))));
  worker.once("exit", (code) => {
    if (signalling !== null) clearTimeout(signalling);
    if (stopping === null) fail(new Error(`The sinks' thread ended by itself, with code ${code}.`));
    else closed.resolve();
  });

  await ready.promise;
  return {
    signal(endOffset) {
      end = Math.max(end, endOffset);
      signalling ??= setTimeout(() => {
        signalling = null;
        send({ kind: "signal" });
      }, signalMs);
    },
    stats: () =>
      Object.fromEntries(
        Object.entries(told).map(([name, stats]) => [
          name,
          { ...stats, lag: Math.max(0, end - (stats.progress ?? 0)) },
        ]),
      ),
    quality: () => quality,
    stop() {
      stopping ??= stopWorker(worker, ended, () => send({ kind: "stop" }));
      return stopping;
    },
    closed: closed.promise,
  };
}

async function stopWorker(worker: Worker, ended: Promise<void>, ask: () => void): Promise<void> {
  ask();
  const cut = setTimeout(() => void worker.terminate(), stopMs);
  await ended;
  clearTimeout(cut);
}
