/**
 * Makes the exports that are due, one at a time; several processes may do so side by side.
 *
 * X1 A run that a process has begun and not ended is taken up by another one when the lease is over (E1).
 * X2 What may get better by itself (database or store away) is tried again a while later; what fails too often is told,
 *    and the schedule goes on.
 */
import { parseInterval } from "../../core/history/intervals.ts";
import type { ExportClaim, ExportRun, Exports } from "../../ports/exports/port.ts";
import type { ObjectStore } from "../../ports/object-store/port.ts";
import { isDatabaseAway } from "../../ports/postgres/errors.ts";
import type { TableKind } from "../history/formats/table.ts";
import type { History } from "../history/service.ts";
import { deleteFiles, deleteLeftovers, writeFiles } from "./files.ts";
import { dueAfter, rangeFor } from "./schedule.ts";

const leaseMs = 60_000;
const maxAttempts = 5;
const firstRetryMs = 30_000;

export type ExportRunner = {
  /** Makes all that is due now; resolves when nothing is any more. One call at a time does it. */
  runDue(): Promise<void>;
  /** Begins to look by itself. */
  start(everyMs?: number): void;
  /** Gives back what is under way: another process, or the next start, takes it up. */
  close(): Promise<void>;
};

export type ExportRunnerOptions = {
  readonly jobs: Exports;
  readonly files: ObjectStore;
  readonly history: History;
  readonly now: () => number;
  readonly newToken: () => string;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
};

export function openExportRunner({ jobs, files, history, now, newToken, log }: ExportRunnerOptions): ExportRunner {
  const closing = new AbortController();
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;

  async function runAll(): Promise<void> {
    while (!closing.signal.aborted) {
      const claim = await jobs.claim(newToken(), now(), leaseMs);
      if (claim === null) return;
      await runOne(claim);
    }
  }

  async function runOne(claim: ExportClaim): Promise<void> {
    const lost = new AbortController();
    const renewing = setInterval(() => {
      jobs.renew(claim, now() + leaseMs).then(
        (held) => held || lost.abort(new Error("Another process has taken the export up.")),
        // The lease is long enough for another try.
        (error: Error) =>
          log.warn({ export: claim.job.id, error: error.message }, "an export's lease could not be renewed"),
      );
    }, leaseMs / 3);
    try {
      const { ended, again } = await outcomeOf(claim, AbortSignal.any([lost.signal, closing.signal]));
      const { spec, id } = claim.job;
      const { forMs, attempt } = claim.run;
      const retryMs = closing.signal.aborted ? 0 : firstRetryMs * 2 ** (attempt - 1);
      const due = again && attempt < maxAttempts ? { atMs: now() + retryMs, forMs } : dueAfter(spec, forMs, now());
      const settled = !lost.signal.aborted && (await jobs.settle(claim, ended, due));
      // It was deleted meanwhile: its files go with it.
      if (!settled && (await jobs.read(id)) === null) await deleteFiles(files, id);
    } finally {
      clearInterval(renewing);
    }
  }

  /** How the run ended, and whether the same could go better later (X2). */
  async function outcomeOf(
    claim: ExportClaim,
    signal: AbortSignal,
  ): Promise<{ ended: NonNullable<ExportRun["ended"]>; again: boolean }> {
    const { spec, id } = claim.job;
    const { devices, metrics, timeZone, format } = spec;
    const interval = spec.interval === null ? null : parseInterval(spec.interval);
    const query = { devices, metrics, timeZone, interval, ...rangeFor(spec, claim.run.forMs) };
    const table: TableKind =
      interval === null ? { kind: "raw" } : { kind: "intervals", aggregate: spec.aggregate ?? "avg" };
    try {
      await deleteLeftovers(files, claim);
      const written = await writeFiles(files, claim, history.stream(query, signal), { format, table });
      return { ended: { atMs: now(), kind: "done", files: written }, again: false };
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, export: id, attempt: claim.run.attempt }, "an export failed");
      const reason = closing.signal.aborted ? "The process that made it was ended." : messageOf(error);
      return {
        ended: { atMs: now(), kind: "failed", error: reason },
        again: closing.signal.aborted || mayGoBetter(error),
      };
    }
  }

  const runDue = () => {
    running ??= runAll().finally(() => {
      running = null;
    });
    return running;
  };

  return {
    runDue,
    start(everyMs = 5_000) {
      timer ??= setInterval(() => {
        runDue().catch((error: Error) =>
          log.warn({ error: error.message }, "exports that are due could not be looked for"),
        );
      }, everyMs);
    },
    async close() {
      if (timer !== null) clearInterval(timer);
      closing.abort(new Error("The process is ending."));
      // What cannot be given back now is taken up when its lease is over.
      await running?.catch(() => {});
    },
  };
}

function mayGoBetter(error: unknown): boolean {
  return (error as { retry?: unknown }).retry === "later" || isDatabaseAway(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
