/**
 * What a broken rule says about the data: something is missing, wrong, or came at the wrong time. Records name rules only;
 * what kind of rule that is, the device type says.
 */
import { defaultQualityRules, type QualityRule, type QualityRules, rulesWith } from "../../core/quality/rules.ts";
import type { DeviceTypes } from "../../ports/device-types/port.ts";

export type Dimension = "completeness" | "accuracy" | "timeliness";
export type DimensionOf = (type: string, rule: string) => Dimension;

/** By the rules that hold for all types. One that nobody knows (any more) judges values, as nearly all do. */
export const defaultDimensionOf: DimensionOf = (_type, rule) => dimensionIn(defaultQualityRules, rule);

function dimensionIn(rules: QualityRules, rule: string): Dimension {
  const kind = Object.hasOwn(rules, rule) ? rules[rule]!.kind : null;
  return kind === null ? "accuracy" : dimensions[kind];
}

const dimensions: Readonly<Record<QualityRule["kind"], Dimension>> = {
  required: "completeness",
  range: "accuracy",
  type: "accuracy",
  latitude: "accuracy",
  longitude: "accuracy",
  rate: "accuracy",
  stuck: "accuracy",
  clockAhead: "timeliness",
  clockBehind: "timeliness",
};

/** The types' rules, looked after when that is `maxAgeMs` ago: new rules count in their dimension from then on. */
export function openDimensions(
  deviceTypes: Pick<DeviceTypes, "all" | "revision">,
  { maxAgeMs = 10_000, now = Date.now }: { maxAgeMs?: number; now?: () => number } = {},
): { readonly of: DimensionOf; refresh(): Promise<void> } {
  let rules = new Map<string, QualityRules>();
  let known: number | null = null;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return {
    of: (type, rule) => dimensionIn(rules.get(type) ?? defaultQualityRules, rule),
    async refresh() {
      if (Math.abs(now() - lookedAtMs) < maxAgeMs) return;
      const revision = await deviceTypes.revision();
      if (revision !== known) {
        const types = await deviceTypes.all();
        rules = new Map([...types].map(([type, { quality }]) => [type, rulesWith(quality)]));
        known = revision;
      }
      lookedAtMs = now();
    },
  };
}
