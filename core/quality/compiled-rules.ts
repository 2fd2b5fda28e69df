/**
 * Rules made ready for judging: once per device type, so that a message of it costs one look-up for each reading.
 * The bounds and types that all rules of a metric have in common say at once that a value is well; only where they do
 * not is each rule looked at.
 */
import type { JsonObject } from "../json.ts";
import {
  defaultQualityRules,
  type QualityAction,
  type QualityRule,
  type QualityRules,
  type ValueType,
} from "./rules.ts";

/** What is wrong with a message by its type's schema. `metric` is the reading that it is about, "" for the message. */
export type SchemaProblem = { readonly metric: string; readonly detail: string };

/** Gives the problems of a message as its device sent it, or null if it fits. Must not throw. */
export type SchemaCheck = (body: JsonObject) => readonly SchemaProblem[] | null;

/** A rule's demand on one metric, or on the message's time. */
export type Check = { readonly name: string; readonly action: QualityAction; readonly rule: QualityRule };

export type MetricChecks = {
  /** Numbers within these are well, by every rule. */
  readonly low: number;
  readonly high: number;
  /** Values of these types are well, by every rule. */
  readonly number: boolean;
  readonly boolean: boolean;
  readonly string: boolean;
  /** Rules that need what the twin knows of the metric; 0 where none does. */
  readonly maxPerSecond: number;
  readonly stuckAfterMs: number;
  readonly isStuckRule: boolean;
  readonly checks: readonly Check[];
};

export type CompiledRules = {
  readonly byMetric: ReadonlyMap<string, MetricChecks>;
  readonly required: readonly { readonly metric: string; readonly check: Check }[];
  readonly clock: readonly Check[];
  /** The tightest of the clock rules; Infinity without one. */
  readonly maxAheadMs: number;
  readonly maxBehindMs: number;
  readonly schema: SchemaCheck | null;
};

/** The rules of a type (all that hold: `rulesWith`), and the check of its newest message schema if it has one. */
export function compileRules(rules: QualityRules, schema: SchemaCheck | null = null): CompiledRules {
  const byMetric = new Map<string, Check[]>();
  const required: CompiledRules["required"][number][] = [];
  const clock: Check[] = [];
  for (const [name, rule] of Object.entries(rules)) {
    if (rule.action === "off") continue;
    const check = { name, action: rule.action, rule };
    switch (rule.kind) {
      case "clockAhead":
      case "clockBehind":
        clock.push(check);
        break;
      case "required":
        for (const metric of rule.metrics) required.push({ metric, check });
        break;
      default:
        for (const metric of rule.metrics) {
          const before = byMetric.get(metric);
          if (before === undefined) byMetric.set(metric, [check]);
          else before.push(check);
        }
    }
  }
  return {
    byMetric: new Map([...byMetric].map(([metric, checks]) => [metric, checksOf(checks)])),
    required,
    clock,
    maxAheadMs: tightest(clock, "clockAhead"),
    maxBehindMs: tightest(clock, "clockBehind"),
    schema,
  };
}

/** What holds where no type says otherwise. */
export const defaultRules: CompiledRules = compileRules(defaultQualityRules);

/** The bounds of a rule on numbers; null for a rule of another kind. */
export function boundsOf(rule: QualityRule): { readonly low: number; readonly high: number } | null {
  switch (rule.kind) {
    case "range":
      return { low: rule.min ?? Number.NEGATIVE_INFINITY, high: rule.max ?? Number.POSITIVE_INFINITY };
    case "latitude":
      return { low: -90, high: 90 };
    case "longitude":
      return { low: -180, high: 180 };
    default:
      return null;
  }
}

/** Whether a value of this type can be well by the rule. */
export function takesType(rule: QualityRule, type: ValueType): boolean {
  if (rule.kind === "type") return rule.type === type;
  return type === "number" || (rule.kind !== "latitude" && rule.kind !== "longitude");
}

function checksOf(checks: readonly Check[]): MetricChecks {
  const bounds = checks.map(({ rule }) => boundsOf(rule)).filter((each) => each !== null);
  const takes = (type: ValueType) => checks.every(({ rule }) => takesType(rule, type));
  const rates = checks.flatMap(({ rule }) => (rule.kind === "rate" ? [rule.maxPerSecond] : []));
  const stuck = checks.flatMap(({ rule }) => (rule.kind === "stuck" ? [rule.forMs] : []));
  return {
    low: Math.max(Number.NEGATIVE_INFINITY, ...bounds.map(({ low }) => low)),
    high: Math.min(Number.POSITIVE_INFINITY, ...bounds.map(({ high }) => high)),
    number: takes("number"),
    boolean: takes("boolean"),
    string: takes("string"),
    maxPerSecond: Math.min(Number.POSITIVE_INFINITY, ...rates),
    stuckAfterMs: Math.min(Number.POSITIVE_INFINITY, ...stuck),
    isStuckRule: stuck.length > 0,
    checks,
  };
}

function tightest(clock: readonly Check[], kind: "clockAhead" | "clockBehind"): number {
  return Math.min(Number.POSITIVE_INFINITY, ...clock.flatMap(({ rule }) => (rule.kind === kind ? [rule.maxMs] : [])));
}
