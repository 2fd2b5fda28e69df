/**
 * The same counts since the start of a process, for Prometheus: plain data that can go from thread to thread.
 *
 * L1 Series are bounded, whatever types, regions and rules come: beyond the bound they count as "other".
 */
import { noCounts, type QualityCounts, type QualityGroup, type QualityRow, type RuleCount, summed } from "./port.ts";

export type QualityTotals = {
  readonly groups: readonly QualityGroup[];
  readonly rules: readonly (RuleCount & { readonly type: string; readonly region: string })[];
};

const maxGroups = 100;
const maxRules = 500;
const other = "other";

export class RunningTotals {
  readonly #groups = new Map<string, QualityGroup>();
  readonly #rules = new Map<string, QualityTotals["rules"][number]>();

  add(rows: readonly QualityRow[]): void {
    for (const { type, region, counts, rules } of rows) {
      const group = this.#group(type, region);
      this.#addCounts(group.type, group.region, counts);
      for (const rule of rules) this.#addRule(group.type, group.region, rule);
    }
  }

  totals(): QualityTotals {
    return { groups: [...this.#groups.values()], rules: [...this.#rules.values()] };
  }

  /** L1 */
  #group(type: string, region: string): { type: string; region: string } {
    const full = this.#groups.size >= maxGroups && !this.#groups.has(keyOf(type, region));
    return full ? { type: other, region: other } : { type, region };
  }

  #addCounts(type: string, region: string, counts: QualityCounts): void {
    const key = keyOf(type, region);
    this.#groups.set(key, { type, region, counts: summed(this.#groups.get(key)?.counts ?? noCounts, counts) });
  }

  #addRule(type: string, region: string, { rule, outcome, messages }: RuleCount): void {
    const full = this.#rules.size >= maxRules && !this.#rules.has(keyOf(rule, outcome, type, region));
    const series = full ? { rule: other, outcome, type: other, region: other } : { rule, outcome, type, region };
    const key = keyOf(series.rule, outcome, series.type, series.region);
    this.#rules.set(key, { ...series, messages: (this.#rules.get(key)?.messages ?? 0) + messages });
  }
}

function keyOf(...parts: string[]): string {
  return JSON.stringify(parts);
}
