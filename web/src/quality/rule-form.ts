import type { QualityRule } from "../../../core/quality/rules.ts";

/** A rule while it is edited: every field a text, times in seconds. */
export type RuleDraft = {
  name: string;
  kind: QualityRule["kind"];
  action: QualityRule["action"];
  metrics: string;
  min: string;
  max: string;
  type: string;
  maxPerSecond: string;
  seconds: string;
};

export const kinds: { kind: QualityRule["kind"]; name: string; fields: (keyof RuleDraft)[] }[] = [
  { kind: "range", name: "Within a range", fields: ["metrics", "min", "max"] },
  { kind: "required", name: "Has to be there", fields: ["metrics"] },
  { kind: "type", name: "Of a type", fields: ["metrics", "type"] },
  { kind: "rate", name: "Changes slowly enough", fields: ["metrics", "maxPerSecond"] },
  { kind: "stuck", name: "Does not get stuck", fields: ["metrics", "seconds"] },
  { kind: "latitude", name: "Is a latitude", fields: ["metrics"] },
  { kind: "longitude", name: "Is a longitude", fields: ["metrics"] },
  { kind: "clockAhead", name: "Clock not too far ahead", fields: ["seconds"] },
  { kind: "clockBehind", name: "Message not too old", fields: ["seconds"] },
];

export const emptyDraft: RuleDraft = {
  name: "",
  kind: "range",
  action: "flag",
  metrics: "",
  min: "",
  max: "",
  type: "number",
  maxPerSecond: "",
  seconds: "",
};

export function draftOf(name: string, rule: QualityRule): RuleDraft {
  const draft = { ...emptyDraft, name, kind: rule.kind, action: rule.action };
  if ("metrics" in rule) draft.metrics = rule.metrics.join(", ");
  switch (rule.kind) {
    case "range":
      return { ...draft, min: text(rule.min), max: text(rule.max) };
    case "type":
      return { ...draft, type: rule.type };
    case "rate":
      return { ...draft, maxPerSecond: text(rule.maxPerSecond) };
    case "stuck":
      return { ...draft, seconds: text(rule.forMs / 1000) };
    case "clockAhead":
    case "clockBehind":
      return { ...draft, seconds: text(rule.maxMs / 1000) };
    default:
      return draft;
  }
}

/** The rule that a draft comes to. What a field lacks is left to the server to say, with the rule's name. */
export function ruleOf(draft: RuleDraft): Record<string, unknown> {
  const { kind, action } = draft;
  const metrics = draft.metrics
    .split(",")
    .map((metric) => metric.trim())
    .filter((metric) => metric !== "");
  switch (kind) {
    case "range":
      return { kind, action, metrics, ...given("min", draft.min), ...given("max", draft.max) };
    case "type":
      return { kind, action, metrics, type: draft.type };
    case "rate":
      return { kind, action, metrics, ...given("maxPerSecond", draft.maxPerSecond) };
    case "stuck":
      return { kind, action, metrics, ...milliseconds("forMs", draft.seconds) };
    case "clockAhead":
    case "clockBehind":
      return { kind, action, ...milliseconds("maxMs", draft.seconds) };
    default:
      return { kind, action, metrics };
  }
}

function given(field: string, value: string): Record<string, unknown> {
  if (value.trim() === "") return {};
  const number = Number(value.replace(",", "."));
  return { [field]: Number.isNaN(number) ? value : number };
}

function milliseconds(field: string, seconds: string): Record<string, unknown> {
  const { value } = given("value", seconds) as { value?: unknown };
  return value === undefined ? {} : { [field]: typeof value === "number" ? Math.round(value * 1000) : value };
}

function text(value: number | undefined): string {
  return value === undefined ? "" : String(value);
}
