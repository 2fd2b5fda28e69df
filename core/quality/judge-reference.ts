/** What `judge` has to say, rule by rule and without anything prepared: slow, and plain to read. For tests. */
import { latestOf } from "../device/metrics.ts";
import type { TelemetryMessage } from "../device/telemetry.ts";
import { own } from "../own.ts";
import type { JudgedTwin } from "./judge.ts";
import type { QualityRule, QualityRules } from "./rules.ts";

/** Each broken rule as `rule/metric`, with its action. */
export function brokenPlainly(
  message: TelemetryMessage,
  twin: JudgedTwin,
  rules: QualityRules,
  nowMs: number,
): { broken: string; action: "flag" | "quarantine" }[] {
  return Object.entries(rules).flatMap(([name, rule]) => {
    const { action } = rule;
    if (action === "off") return [];
    return brokenMetrics(rule, message, twin, nowMs).map((metric) => ({ broken: `${name}/${metric}`, action }));
  });
}

/** Since when each metric under a stuck rule has had its value once the message is in. */
export function unchangedPlainly(message: TelemetryMessage, twin: JudgedTwin, rules: QualityRules) {
  const since: Record<string, number> = {};
  for (const rule of Object.values(rules)) {
    if (rule.kind !== "stuck" || rule.action === "off") continue;
    for (const metric of rule.metrics) {
      if (Object.hasOwn(message.readings, metric)) since[metric] = plainSince(metric, message, twin);
    }
  }
  return since;
}

function brokenMetrics(rule: QualityRule, message: TelemetryMessage, twin: JudgedTwin, nowMs: number): string[] {
  const { tsMs } = message;
  switch (rule.kind) {
    case "clockAhead":
      return tsMs - nowMs > rule.maxMs ? [""] : [];
    case "clockBehind":
      return nowMs - tsMs > rule.maxMs ? [""] : [];
    default:
      return rule.metrics.filter((metric) => isBroken(rule, metric, message, twin));
  }
}

function isBroken(rule: QualityRule, metric: string, message: TelemetryMessage, twin: JudgedTwin): boolean {
  const { readings, tsMs } = message;
  const value = own(readings, metric);
  if (value === undefined) return rule.kind === "required";
  const latest = latestOf(twin.metrics, metric);
  const number = typeof value === "number";
  switch (rule.kind) {
    case "range":
      return number && ((rule.min !== undefined && value < rule.min) || (rule.max !== undefined && value > rule.max));
    case "type":
      return String(typeof value) !== rule.type;
    case "latitude":
      return !number || Math.abs(value) > 90;
    case "longitude":
      return !number || Math.abs(value) > 180;
    case "rate": {
      if (latest === undefined || typeof latest.value !== "number" || !number || tsMs <= latest.tsMs) return false;
      return (Math.abs(value - latest.value) / (tsMs - latest.tsMs)) * 1_000 > rule.maxPerSecond;
    }
    case "stuck":
      return latest !== undefined && tsMs >= latest.tsMs && tsMs - plainSince(metric, message, twin) > rule.forMs;
    default:
      return false;
  }
}

function plainSince(metric: string, { readings, tsMs }: TelemetryMessage, twin: JudgedTwin): number {
  const latest = latestOf(twin.metrics, metric);
  if (latest === undefined) return tsMs;
  const known = own(twin.unchangedSince ?? {}, metric) ?? latest.tsMs;
  if (tsMs < latest.tsMs) return known;
  return latest.value === readings[metric] ? known : tsMs;
}
