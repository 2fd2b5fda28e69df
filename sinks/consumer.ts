/**
 * A consumer of the event log, step by step: read from its own offset, fold, commit effect and progress together.
 * Leaves waiting and repeating to loop.ts.
 *
 * C1 The effect is exactly once: progress moves in the target's transaction, and a refused move is read again.
 * C2 A step holds at most `maxRecords` records and commits at most about `maxWeight` (rows) at once.
 */
import type { EventLogReader, LogEntry } from "../ports/event-log/port.ts";
import { type Progress, StaleProgress } from "../ports/time-series/port.ts";

export type LogItem = { readonly offset: number; readonly entry: LogEntry };

/** Where the folded records go. */
export type Target = {
  readonly name: string;
  progress(): Promise<number>;
  /** Commits the items' effect and the progress in one transaction. */
  commit(items: readonly LogItem[], progress: Progress): Promise<void>;
  /** What the item adds to a transaction, in rows. */
  weigh(item: LogItem): number;
};

export type ConsumerLimits = { readonly maxRecords: number; readonly maxWeight: number };

export const defaultLimits: ConsumerLimits = { maxRecords: 5_000, maxWeight: 50_000 };

export type Step =
  /** `full`: as much as a step takes, so there is probably more. */
  | { readonly kind: "advanced"; readonly full: boolean }
  | { readonly kind: "idle" }
  /** How often in a row, 1 for the first. */
  | { readonly kind: "failed"; readonly error: Error; readonly times: number };

export type ConsumerStats = {
  /** The offset where it goes on; null before it is known. */
  readonly progress: number | null;
  /** Records committed since the start. */
  readonly records: number;
  /** What went wrong since the last commit, null if nothing. */
  readonly error: string | null;
};

export type Consumer = {
  readonly name: string;
  /** Never rejects. Steps of one consumer come one after another. */
  step(): Promise<Step>;
  stats(): ConsumerStats;
};

export function openConsumer(
  log: Pick<EventLogReader, "read">,
  target: Target,
  limits: ConsumerLimits = defaultLimits,
): Consumer {
  let at: number | null = null;
  let records = 0;
  let failures = 0;
  let error: string | null = null;

  async function advance(): Promise<Step> {
    at ??= await target.progress();
    const { entries, next } = await log.read(at, limits.maxRecords);
    if (next === at) return { kind: "idle" };
    for (const part of parts(entries, next, target, limits.maxWeight)) {
      await target.commit(part.items, { from: at, to: part.to });
      at = part.to;
      records += part.items.length;
    }
    return { kind: "advanced", full: entries.length >= limits.maxRecords };
  }

  return {
    name: target.name,
    async step() {
      try {
        const step = await advance();
        failures = 0;
        error = null;
        return step;
      } catch (cause) {
        // Whatever was stored last is the truth, e.g. after a commit whose answer was lost (C1).
        at = null;
        failures += 1;
        const failure = cause instanceof Error ? cause : new Error(String(cause));
        if (!(failure instanceof StaleProgress) || failures > 1) error = failure.message;
        return { kind: "failed", error: failure, times: failures };
      }
    },
    stats: () => ({ progress: at, records, error }),
  };
}

/** The items in order, in parts of at most `maxWeight` (a single heavier one alone); the last part goes on at `next`. */
export function* parts(
  items: readonly LogItem[],
  next: number,
  target: Pick<Target, "weigh">,
  maxWeight: number,
): Generator<{ items: readonly LogItem[]; to: number }> {
  let start = 0;
  let weight = 0;
  for (const [index, item] of items.entries()) {
    const added = target.weigh(item);
    if (index > start && weight + added > maxWeight) {
      yield { items: items.slice(start, index), to: item.offset };
      start = index;
      weight = 0;
    }
    weight += added;
  }
  yield { items: start === 0 ? items : items.slice(start), to: next };
}
