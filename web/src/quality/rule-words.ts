import type { QualityRule } from "../../../core/quality/rules.ts";
import { formatNumber } from "../format.ts";
import { listed } from "../history/words.ts";
import { formatSpan } from "../history/zone.ts";

/** What a rule demands, as a sentence without its end. */
export function ruleWords(rule: QualityRule): string {
  const metrics = "metrics" in rule ? listed([...rule.metrics]) : "";
  switch (rule.kind) {
    case "required":
      return `${metrics} must be there`;
    case "range":
      return `${metrics} ${bounds(rule.min, rule.max)}`;
    case "type":
      return `${metrics} must be a ${rule.type}`;
    case "latitude":
      return `${metrics} from −90 to 90`;
    case "longitude":
      return `${metrics} from −180 to 180`;
    case "rate":
      return `${metrics} changes by at most ${formatNumber(rule.maxPerSecond)} a second`;
    case "stuck":
      return `${metrics} must not stay the same for ${formatSpan(rule.forMs)}`;
    case "clockAhead":
      return `the device's clock at most ${formatSpan(rule.maxMs)} ahead`;
    case "clockBehind":
      return `a message at most ${formatSpan(rule.maxMs)} old`;
  }
}

function bounds(min: number | undefined, max: number | undefined): string {
  if (min !== undefined && max !== undefined) return `from ${formatNumber(min)} to ${formatNumber(max)}`;
  return min !== undefined ? `at least ${formatNumber(min)}` : `at most ${formatNumber(max ?? 0)}`;
}
