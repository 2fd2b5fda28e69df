import { pick, type Random } from "../../simulator/random.ts";

/** What can happen to a distributed system. "both": an application and its sidecar at once. */
export const faultKinds = [
  "host application killed",
  "host sidecar killed",
  "host killed, both",
  "host application paused",
  "host paused, both",
  "hosts scaled 1, 3, 2",
  "gateway application killed",
  "gateway sidecar killed",
  "Kafka broker killed",
  "Redis killed",
  "PostgreSQL killed",
  "placement killed",
  "scheduler killed",
  "sinks killed",
  "apis killed",
] as const;

export type FaultKind = (typeof faultKinds)[number];

export type DistributedFault = {
  readonly kind: FaultKind;
  /** Which of several: a number from 0 to 1. */
  readonly which: number;
  /** After the fault before it, or after the recovery from it. */
  readonly afterMs: number;
  /** Comes whether the system has got over the last one or not. */
  readonly overlaps: boolean;
  /** How long a paused process stands still. */
  readonly pausedMs: number;
};

export type PlanOptions = {
  readonly count: number;
  readonly seconds: number;
  readonly shortestPauseMs: number;
  readonly longestPauseMs: number;
};

/**
 * Faults with about `seconds` of load between them: each kind once, in any order and by itself, so that what it costs can
 * be told; from then on any, also before the system has got over the last one.
 */
export function planDistributedFaults(random: Random, options: PlanOptions): DistributedFault[] {
  const { count, seconds, shortestPauseMs, longestPauseMs } = options;
  const first = shuffled(random, faultKinds);
  return Array.from({ length: count }, (_, index) => ({
    kind: first[index] ?? pick(random, faultKinds),
    which: random(),
    afterMs: (seconds / count) * 1_000 * (0.3 + 1.4 * random()),
    overlaps: index >= first.length && random() < 0.4,
    pausedMs: shortestPauseMs + (longestPauseMs - shortestPauseMs) * random(),
  }));
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const keys = new Map(items.map((item) => [item, random()]));
  return items.toSorted((a, b) => keys.get(a)! - keys.get(b)!);
}
