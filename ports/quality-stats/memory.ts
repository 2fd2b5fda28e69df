import { memoryProgress } from "../time-series/memory.ts";
import {
  noCounts,
  type QualityBucket,
  type QualityFilter,
  type QualityGroup,
  type QualityRow,
  type QualityStats,
  type RuleTotal,
  summed,
} from "./port.ts";

const hourMs = 3_600_000;

/** Quality figures as an array: for tests and the smallest of set-ups. */
export function memoryQualityStats(): QualityStats {
  const stored = memoryProgress();
  let rows: QualityRow[] = [];
  let minutesFromMs = Number.NEGATIVE_INFINITY;

  const matching = ({ type, region, fromMs, toMs }: QualityFilter) =>
    rows.filter(
      (row) =>
        row.minuteMs >= fromMs &&
        row.minuteMs < toMs &&
        (type === undefined || row.type === type) &&
        (region === undefined || row.region === region),
    );

  return {
    progress: async () => stored.in("") ?? 0,
    progressIn: async (partition) => stored.in(partition),
    async add(added, progress) {
      stored.move(progress);
      rows.push(...added);
    },
    minutesFrom: async () => minutesFromMs,
    async buckets(filter, intervalMs) {
      const buckets = new Map<number, QualityBucket>();
      for (const { minuteMs, counts } of matching(filter)) {
        const startMs = startOf(minuteMs, intervalMs);
        buckets.set(startMs, { startMs, counts: summed(buckets.get(startMs)?.counts ?? noCounts, counts) });
      }
      return [...buckets.values()].sort((a, b) => a.startMs - b.startMs);
    },
    async groups(filter) {
      const groups = new Map<string, QualityGroup>();
      for (const { type, region, counts } of matching(filter)) {
        const key = JSON.stringify([type, region]);
        groups.set(key, { type, region, counts: summed(groups.get(key)?.counts ?? noCounts, counts) });
      }
      return [...groups.values()].sort((a, b) => compare(a.type, b.type) || compare(a.region, b.region));
    },
    async rules(filter, intervalMs) {
      const totals = new Map<string, RuleTotal>();
      for (const { minuteMs, type, region, rules } of matching(filter)) {
        const startMs = startOf(minuteMs, intervalMs);
        for (const { rule, outcome, messages } of rules) {
          if (filter.rule !== undefined && rule !== filter.rule) continue;
          const key = JSON.stringify([rule, outcome, startMs, type, region]);
          const before = totals.get(key)?.messages ?? 0;
          totals.set(key, { rule, outcome, startMs, type, region, messages: before + messages });
        }
      }
      return [...totals.values()].sort(
        (a, b) =>
          compare(a.rule, b.rule) ||
          compare(a.outcome, b.outcome) ||
          a.startMs - b.startMs ||
          compare(a.type, b.type) ||
          compare(a.region, b.region),
      );
    },
    async maintain({ minutesBeforeMs, hoursBeforeMs }) {
      minutesFromMs = Math.max(minutesFromMs, minutesBeforeMs);
      rows = rows
        .map((row) => (row.minuteMs < minutesBeforeMs ? { ...row, minuteMs: startOf(row.minuteMs, hourMs) } : row))
        .filter((row) => row.minuteMs >= hoursBeforeMs);
    },
  };
}

function startOf(ms: number, intervalMs: number): number {
  return Math.floor(ms / intervalMs) * intervalMs;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
