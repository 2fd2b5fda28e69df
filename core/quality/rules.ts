/**
 * Quality rules as data: what a device type's messages are held to. Leaves judging to `judge.ts`.
 *
 * Q1 A rule has a name; a type's rule takes the place of the default of the same name, and leaves the others as they are.
 * Q2 Of a rule that takes a default's place, fields that are not given stay the default's: {"max": 150}.
 */
import { isMetricName, type ReadingValue } from "../device/telemetry.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { own } from "../own.ts";

/** What a broken rule does with the message: marks it, keeps it as a dead letter instead of accepting it, or nothing. */
export type QualityAction = "flag" | "quarantine" | "off";

export type ValueType = "number" | "boolean" | "string";

/** A rule. Times are milliseconds of the device's time; metrics are those that it is about. */
export type QualityRule = { readonly action: QualityAction } & (
  | { readonly kind: "required"; readonly metrics: readonly string[] }
  /** Numbers only: `type` says that a metric has to be one. At least one of the bounds, both inclusive. */
  | { readonly kind: "range"; readonly metrics: readonly string[]; readonly min?: number; readonly max?: number }
  | { readonly kind: "type"; readonly metrics: readonly string[]; readonly type: ValueType }
  /** Degrees, WGS 84: a number from −90 to 90, or from −180 to 180. */
  | { readonly kind: "latitude" | "longitude"; readonly metrics: readonly string[] }
  /** The change since the latest reading, up or down, by the time between them as the device tells it. */
  | { readonly kind: "rate"; readonly metrics: readonly string[]; readonly maxPerSecond: number }
  /** The same value for longer than this. */
  | { readonly kind: "stuck"; readonly metrics: readonly string[]; readonly forMs: number }
  /** The message's own time against ours. Further ahead than the policy's `maxClockAheadMs` is refused before. */
  | { readonly kind: "clockAhead" | "clockBehind"; readonly maxMs: number }
);

/** By name, in the order in which they are judged. */
export type QualityRules = Readonly<Record<string, QualityRule>>;

/** What holds for each type that does not say otherwise. Only what cannot be is put in quarantine. */
export const defaultQualityRules: QualityRules = {
  "temperature-range": { kind: "range", metrics: ["temperature"], min: -50, max: 100, action: "flag" },
  "humidity-range": { kind: "range", metrics: ["humidity"], min: 0, max: 100, action: "flag" },
  latitude: { kind: "latitude", metrics: ["latitude", "lat"], action: "quarantine" },
  longitude: { kind: "longitude", metrics: ["longitude", "lon", "lng"], action: "quarantine" },
  "clock-skew-ahead": { kind: "clockAhead", maxMs: 300_000, action: "flag" },
  "clock-skew-behind": { kind: "clockBehind", maxMs: 7 * 86_400_000, action: "flag" },
};

/** Names that no rule may have: they stand for the message schema, and for the twin's own dedup, which only counts. */
export const reservedRules = ["schema", "duplicate"] as const;

/** A type's rules, or every problem with them as a sentence. */
export type ParsedRules =
  | { readonly kind: "rules"; readonly rules: QualityRules }
  | { readonly kind: "refused"; readonly problems: readonly string[] };

/** Reads rules by name, as an operator gave them, over the defaults (Q2). What comes back are the type's own, whole. */
export function parseQualityRules(value: unknown): ParsedRules {
  if (!isJsonObject(value))
    return {
      kind: "refused",
      problems: [
        'Rules are an object by their names, like {"pressure-range": {"kind": "range", "metrics": ["pressure"], "min": 0}}.',
      ],
    };
  const names = Object.keys(value);
  if (names.length > maxRules)
    return { kind: "refused", problems: [`${names.length} rules; at most ${maxRules} may be there for a type.`] };
  const problems: string[] = [];
  const rules: [string, QualityRule][] = [];
  for (const [name, given] of Object.entries(value)) {
    const wrong = ruleProblems(name, given);
    problems.push(...wrong);
    if (wrong.length === 0) rules.push([name, wholeRule(name, given as JsonObject) as unknown as QualityRule]);
  }
  return problems.length === 0 ? { kind: "rules", rules: Object.fromEntries(rules) } : { kind: "refused", problems };
}

/** All rules that hold for a type: the defaults, and over them its own (Q1). */
export function rulesWith(ownRules: QualityRules | undefined): QualityRules {
  return { ...defaultQualityRules, ...ownRules };
}

/** The type of a reading's value, as rules name it. */
export function valueType(value: ReadingValue): ValueType {
  return typeof value as ValueType;
}

const maxRules = 100;
const maxMetrics = 100;
/** Ten years. */
const maxMs = 3_650 * 86_400_000;
const namePattern = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** The fields of each kind, beside `kind` and `action`; those with a question mark may be absent. */
const fieldsOf: Record<QualityRule["kind"], readonly string[]> = {
  required: ["metrics"],
  range: ["metrics", "min?", "max?"],
  type: ["metrics", "type"],
  latitude: ["metrics"],
  longitude: ["metrics"],
  rate: ["metrics", "maxPerSecond"],
  stuck: ["metrics", "forMs"],
  clockAhead: ["maxMs"],
  clockBehind: ["maxMs"],
};
const kinds = Object.keys(fieldsOf) as QualityRule["kind"][];

/** What a field needs, where the value is not that. */
const needs: Record<string, (value: unknown) => string | null> = {
  metrics: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= maxMetrics &&
    value.every((metric) => typeof metric === "string" && isMetricName(metric)) &&
    new Set(value).size === value.length
      ? null
      : `a list of 1 to ${maxMetrics} different metric names`,
  min: (value) => (Number.isFinite(value) ? null : "a number"),
  max: (value) => (Number.isFinite(value) ? null : "a number"),
  maxPerSecond: (value) => (Number.isFinite(value) && (value as number) > 0 ? null : "a number above 0"),
  maxMs: milliseconds,
  forMs: milliseconds,
  type: (value) => oneOf(value, ["number", "boolean", "string"]),
  action: (value) => oneOf(value, ["flag", "quarantine", "off"]),
};

function ruleProblems(name: string, given: unknown): string[] {
  const about = `Rule "${name.slice(0, 64)}"`;
  if (!namePattern.test(name))
    return [`${about} needs a name of 1 to 64 of a-z 0-9 _ . -, beginning with one of a-z 0-9.`];
  if ((reservedRules as readonly string[]).includes(name))
    return [`${about} has a name that is taken: ${reservedRules.join(" and ")} are judged without a rule.`];
  if (!isJsonObject(given)) return [`${about} is ${shown(given)} but needs an object with "kind" and "action".`];
  const rule = wholeRule(name, given);
  const fields = fieldsOf[rule.kind as QualityRule["kind"]];
  if (typeof rule.kind !== "string" || !Object.hasOwn(fieldsOf, rule.kind) || fields === undefined)
    return [`${about} has the kind ${shown(rule.kind)}; there are ${kinds.join(", ")}.`];
  const known = ["kind", "action", ...fields.map((field) => field.replace("?", ""))];
  const problems = Object.keys(rule)
    .filter((field) => !known.includes(field))
    .map(
      (field) => `${about} has no field "${field.slice(0, 60)}"; a rule of kind ${rule.kind} has ${known.join(", ")}.`,
    );
  for (const field of ["action", ...fields]) {
    const plain = field.replace("?", "");
    if (field !== plain && rule[plain] === undefined) continue;
    const needed = needs[plain]!(rule[plain]);
    if (needed !== null) problems.push(`${about}: ${plain} is ${shown(rule[plain])} but needs ${needed}.`);
  }
  if (rule.kind === "range" && problems.length === 0) {
    const { min, max } = rule as { min?: number; max?: number };
    if (min === undefined && max === undefined) problems.push(`${about} needs min, max, or both.`);
    else if (min !== undefined && max !== undefined && min > max)
      problems.push(`${about}: min is ${min}, above max, which is ${max}.`);
  }
  return problems;
}

/** With what it leaves to the default whose place it takes (Q2), and the action "flag" where none is said. */
function wholeRule(name: string, given: JsonObject): JsonObject {
  const replaced = own(defaultQualityRules, name);
  return replaced !== undefined && (given.kind === undefined || given.kind === replaced.kind)
    ? { ...(replaced as unknown as JsonObject), ...given }
    : { action: "flag", ...given };
}

function milliseconds(value: unknown): string | null {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= maxMs
    ? null
    : `a whole number of milliseconds from 1 to ${maxMs}`;
}

function oneOf(value: unknown, words: readonly string[]): string | null {
  return words.includes(value as string) ? null : `one of ${words.join(", ")}`;
}

function shown(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value).slice(0, 60);
}
