/**
 * What becomes of a telemetry message by the quality rules of its device's type: accepted as it is, accepted with flags,
 * or put in quarantine. Leaves reading the message to `telemetry.ts`, and duplicates to the twin's dedup window.
 *
 * J1 A message that is well costs a look-up for each reading, and nothing is made for it.
 * J2 Nothing of a message is changed or dropped: it is accepted whole or kept whole.
 * J3 A reading that is older than the metric's latest is judged by itself only: neither rate nor stuck can be told of it.
 */
import { type Metrics, placeOf, tsAt, valueAt } from "../device/metrics.ts";
import type { ReadingValue, TelemetryMessage } from "../device/telemetry.ts";
import type { JsonObject } from "../json.ts";
import { own } from "../own.ts";
import { boundsOf, type Check, type CompiledRules, type MetricChecks, takesType } from "./compiled-rules.ts";
import { type QualityRule, valueType } from "./rules.ts";

export type Flags = Readonly<Record<string, readonly string[]>>;
export type UnchangedSince = Readonly<Record<string, number>>;
/** `metric` is "" where the rule is about the message as a whole. */
export type BrokenRule = { readonly rule: string; readonly metric: string };

export type Verdict =
  | { readonly kind: "accept"; readonly flags?: Flags; readonly unchangedSince?: UnchangedSince }
  /** Only the rules that put it there; the detail says the first few of them in words. */
  | { readonly kind: "quarantine"; readonly broken: readonly BrokenRule[]; readonly detail: string };

/** What the twin knows that rules ask about. */
export type JudgedTwin = { readonly metrics: Metrics; readonly unchangedSince?: UnchangedSince };

/** A message as it was read, and as its device sent it. */
export type JudgedMessage = { readonly message: TelemetryMessage; readonly body: JsonObject };

const accepted: Verdict = { kind: "accept" };

/**
 * `nowMs`: when the message reached us, epoch ms of our clock. `override`: an operator says that it is true, so that what
 * would put it in quarantine flags it.
 */
export function judge(
  judged: JudgedMessage,
  twin: JudgedTwin,
  rules: CompiledRules,
  nowMs: number,
  override = false,
): Verdict {
  const { readings, tsMs } = judged.message;
  let well = tsMs <= nowMs + rules.maxAheadMs && tsMs >= nowMs - rules.maxBehindMs;
  let unchangedSince: Record<string, number> | null = null;
  for (const metric in readings) {
    const checks = rules.byMetric.get(metric);
    if (checks === undefined) continue;
    const value = readings[metric]!;
    if (!isWell(checks, value)) well = false;
    if (checks.maxPerSecond < Number.POSITIVE_INFINITY && rateOf(twin, metric, value, tsMs) > checks.maxPerSecond)
      well = false;
    if (checks.isStuckRule) {
      const sinceMs = sinceOf(twin, metric, value, tsMs);
      unchangedSince ??= {};
      unchangedSince[metric] = sinceMs;
      if (unchangedFor(twin, metric, sinceMs, tsMs) > checks.stuckAfterMs) well = false;
    }
  }
  for (const { metric } of rules.required) if (!Object.hasOwn(readings, metric)) well = false;
  if (well && (rules.schema === null || rules.schema(judged.body) === null))
    return unchangedSince === null ? accepted : { kind: "accept", unchangedSince };
  return verdictOf(findings(judged, twin, rules, nowMs), unchangedSince, override);
}

type Finding = BrokenRule & { readonly quarantines: boolean; readonly detail: string };

/** Every rule that is broken: of the message's time, of what is missing, of each reading, of the schema. */
function findings({ message, body }: JudgedMessage, twin: JudgedTwin, rules: CompiledRules, nowMs: number): Finding[] {
  const { readings, tsMs } = message;
  const found: Finding[] = [];
  const find = ({ name, action }: Check, metric: string, detail: string) =>
    found.push({ rule: name, metric, quarantines: action === "quarantine", detail });
  for (const check of rules.clock) {
    const detail = clockProblem(check.rule, tsMs - nowMs);
    if (detail !== null) find(check, "", detail);
  }
  for (const { metric, check } of rules.required)
    if (!Object.hasOwn(readings, metric)) find(check, metric, `${metric} is missing`);
  for (const [metric, value] of Object.entries(readings)) {
    for (const check of rules.byMetric.get(metric)?.checks ?? []) {
      const detail = valueProblem(check.rule, value) ?? changeProblem(check.rule, twin, metric, value, tsMs);
      if (detail !== null) find(check, metric, `${metric} ${detail}`);
    }
  }
  for (const { metric, detail } of rules.schema?.(body) ?? [])
    found.push({ rule: "schema", metric, quarantines: true, detail });
  return found;
}

function verdictOf(found: readonly Finding[], unchangedSince: UnchangedSince | null, override: boolean): Verdict {
  const grave = override ? [] : found.filter(({ quarantines }) => quarantines);
  if (grave.length > 0) {
    const named = new Map(grave.map(({ rule, metric }) => [`${rule}\n${metric}`, { rule, metric }]));
    const told = grave.slice(0, mostTold).map(({ rule, detail }) => `${detail} (rule ${rule})`);
    const more = grave.length > mostTold ? `; and ${grave.length - mostTold} more` : "";
    return { kind: "quarantine", broken: [...named.values()], detail: `${told.join("; ")}${more}.` };
  }
  const flags: Record<string, string[]> = {};
  for (const { rule, metric } of found) {
    const names = own(flags, metric);
    if (names === undefined) flags[metric] = [rule];
    else names.push(rule);
  }
  return { kind: "accept", flags, ...(unchangedSince !== null && { unchangedSince }) };
}

/** Rules whose details are told; the rest is counted. */
const mostTold = 3;

function isWell(checks: MetricChecks, value: ReadingValue): boolean {
  if (typeof value === "number") return checks.number && value >= checks.low && value <= checks.high;
  return typeof value === "boolean" ? checks.boolean : checks.string;
}

function clockProblem(rule: QualityRule, aheadMs: number): string | null {
  if (rule.kind === "clockAhead" && aheadMs > rule.maxMs)
    return `ts is ${aheadMs} ms ahead of our clock, more than ${rule.maxMs}`;
  if (rule.kind === "clockBehind" && -aheadMs > rule.maxMs)
    return `ts is ${-aheadMs} ms behind our clock, more than ${rule.maxMs}`;
  return null;
}

function valueProblem(rule: QualityRule, value: ReadingValue): string | null {
  if (!takesType(rule, valueType(value)))
    return `is a ${valueType(value)} but needs to be a ${rule.kind === "type" ? rule.type : "number"}`;
  const bounds = boundsOf(rule);
  if (bounds === null || typeof value !== "number") return null;
  if (value < bounds.low) return `is ${value}, below ${bounds.low}`;
  return value > bounds.high ? `is ${value}, above ${bounds.high}` : null;
}

function changeProblem(
  rule: QualityRule,
  twin: JudgedTwin,
  metric: string,
  value: ReadingValue,
  tsMs: number,
): string | null {
  if (rule.kind === "rate") {
    const rate = rateOf(twin, metric, value, tsMs);
    return rate > rule.maxPerSecond ? `changed by ${rate} a second, more than ${rule.maxPerSecond}` : null;
  }
  if (rule.kind !== "stuck") return null;
  const forMs = unchangedFor(twin, metric, sinceOf(twin, metric, value, tsMs), tsMs);
  return forMs > rule.forMs ? `has not changed for ${forMs} ms, more than ${rule.forMs}` : null;
}

/** Change a second since the metric's latest number; 0 where that cannot be told (J3). */
function rateOf({ metrics }: JudgedTwin, metric: string, value: ReadingValue, tsMs: number): number {
  if (typeof value !== "number") return 0;
  const place = placeOf(metrics, metric);
  if (place < 0) return 0;
  const before = valueAt(metrics, place);
  const elapsedMs = tsMs - tsAt(metrics, place);
  if (typeof before !== "number" || elapsedMs <= 0) return 0;
  return (Math.abs(value - before) / elapsedMs) * 1_000;
}

/** Since when the metric has had its value, once this reading is in: its latest value's, where this one is older (J3). */
function sinceOf({ metrics, unchangedSince }: JudgedTwin, metric: string, value: ReadingValue, tsMs: number): number {
  const place = placeOf(metrics, metric);
  if (place < 0) return tsMs;
  const latestMs = tsAt(metrics, place);
  if (tsMs >= latestMs && valueAt(metrics, place) !== value) return tsMs;
  const known = unchangedSince === undefined ? undefined : own(unchangedSince, metric);
  return known ?? latestMs;
}

/** For how long, as of this reading; 0 if it is older than the latest (J3). */
function unchangedFor({ metrics }: JudgedTwin, metric: string, sinceMs: number, tsMs: number): number {
  const place = placeOf(metrics, metric);
  return place < 0 || tsMs < tsAt(metrics, place) ? 0 : tsMs - sinceMs;
}
