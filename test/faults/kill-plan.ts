import { pick, type Random } from "../../simulator/random.ts";
import type { Target } from "./system.ts";

/** One fault: what ends, how long after the system was up, and how many kills follow while it starts again. */
export type Fault = {
  /** `stop` is no kill but an orderly end, as by Ctrl-C. */
  readonly target: Target | "stop";
  readonly afterMs: number;
  /** Kills during the start that follows: so long after its beginning, whatever it is doing then. */
  readonly duringStart: readonly { readonly target: Target; readonly afterMs: number }[];
};

const targets: readonly Fault["target"][] = ["node", "node", "postgres", "both", "both", "backend", "stop"];

/** Faults that take about `seconds` of load together; the first ones kill Node, PostgreSQL and both, then a session. */
export function planFaults(random: Random, count: number, seconds: number): Fault[] {
  const first = [...shuffled(random, ["node", "postgres", "both"] as const), "backend" as const];
  return Array.from({ length: count }, (_, index) => ({
    target: first[index] ?? pick(random, targets),
    afterMs: (seconds / count) * 1_000 * (0.3 + 1.4 * random()),
    duringStart:
      random() < 0.4
        ? [{ target: pick(random, ["node", "both", "postgres"] as const), afterMs: 1_500 * random() }]
        : [],
  }));
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const keys = new Map(items.map((item) => [item, random()]));
  return items.toSorted((a, b) => keys.get(a)! - keys.get(b)!);
}
