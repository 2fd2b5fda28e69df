/**
 * What sinks do besides reading the log, each so often: retention, aggregates, compaction.
 *
 * K1 A chore of one sink runs once at a time, and a failure of one holds up none of the others.
 */
import type { HealthProbe } from "../ports/http-health/routes.ts";
import { pause } from "../ports/record-log/back-off.ts";
import type { Chore, SinkTarget } from "./target.ts";

export type RunningChores = {
  /** One for each chore: how it went the last time. */
  readonly probes: readonly HealthProbe[];
  /** What went wrong the last time, by chore. */
  troubles(): ReadonlyMap<string, string>;
  /** Ends after those under way. */
  stop(): Promise<void>;
};

export type ChoreOptions = {
  readonly now: () => number;
  readonly onTrouble: (what: string, error: Error) => void;
  /** How soon a chore is tried again that failed, if it does not come sooner anyway. */
  readonly retryMs?: number;
};

/** Runs what has to be done before the first record. Rejects with the first failure. */
export async function runFirstChores(targets: readonly SinkTarget[], now: () => number): Promise<void> {
  for (const { chores = [] } of targets) for (const chore of chores) if (chore.first) await chore.run(now());
}

export function startChores(
  targets: readonly Pick<SinkTarget, "name" | "chores">[],
  options: ChoreOptions,
): RunningChores {
  const { now, onTrouble, retryMs = 60_000 } = options;
  const stopping = new AbortController();
  const troubles = new Map<string, string>();
  const chores = targets.flatMap(({ name, chores = [] }) => chores.map((chore) => ({ ...chore, of: name })));

  async function keep({ name, of, everyMs, run }: Chore & { of: string }): Promise<void> {
    const label = `${of} ${name}`;
    for (let nextMs = everyMs; ; ) {
      await pause(nextMs, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        await run(now());
        troubles.delete(label);
        nextMs = everyMs;
      } catch (error) {
        const failure = error instanceof Error ? error : new Error(String(error));
        troubles.set(label, failure.message);
        onTrouble(`${label} failed and is tried again`, failure);
        nextMs = Math.min(everyMs, retryMs);
      }
    }
  }

  const running = chores.map(keep);
  return {
    probes: chores.map(({ name, of }) => ({
      name: `${of} ${name}`,
      check: async () => {
        const trouble = troubles.get(`${of} ${name}`);
        // The message may name hosts and tables: the log has it.
        return trouble === undefined
          ? { ok: true }
          : { ok: false, detail: "failed and is tried again; the log says why" };
      },
    })),
    troubles: () => troubles,
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}
