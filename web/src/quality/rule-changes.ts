import type { QualityRule } from "../../../core/quality/rules.ts";
import { ruleWords } from "./rule-words.ts";

/** What happened to a rule, in words: null where it was not there before, or is no longer. */
export type RuleChange = { name: string; before: string | null; now: string | null };

type Rules = Readonly<Record<string, QualityRule>>;

/** How the rules that hold have changed, in the order of the newer ones; what is gone comes last. */
export function changesBetween(before: Rules, now: Rules): RuleChange[] {
  const names = [...Object.keys(now), ...Object.keys(before).filter((name) => !Object.hasOwn(now, name))];
  return names
    .filter((name) => JSON.stringify(sorted(before[name])) !== JSON.stringify(sorted(now[name])))
    .map((name) => ({ name, before: wordsOf(before[name]), now: wordsOf(now[name]) }));
}

function wordsOf(rule: QualityRule | undefined): string | null {
  return rule === undefined ? null : `${ruleWords(rule)}: ${rule.action}`;
}

function sorted(rule: QualityRule | undefined) {
  return rule && Object.entries(rule).sort(([one], [other]) => (one < other ? -1 : 1));
}
