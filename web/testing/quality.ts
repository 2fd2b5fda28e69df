import { type QualityRules, rulesWith } from "../../core/quality/rules.ts";
import type { QualityFigures, QualityReport, TypeQuality } from "../src/contract.ts";
import { random } from "./fleet.ts";

/** Made-up answers of `GET /v1/quality`. */
export function qualityReport(query: URLSearchParams, nowMs: number): QualityReport {
  const fromMs = Date.parse(query.get("from") ?? "");
  const toMs = Date.parse(query.get("to") ?? "");
  const intervalSeconds =
    [60, 300, 900, 3_600, 21_600, 86_400].find((s) => (toMs - fromMs) / 1000 / s <= 300) ?? 86_400;
  const next = random(fromMs % 1e6);
  const iso = (ms: number) => new Date(ms).toISOString();
  const first = Math.floor(fromMs / 1000 / intervalSeconds) * intervalSeconds * 1000;
  const steps = Math.ceil((toMs - first) / 1000 / intervalSeconds);
  const starts = Array.from({ length: steps }, (_, at) => first + at * intervalSeconds * 1000);
  const points = starts.map((ms) => ({ ts: iso(ms), ...figures(intervalSeconds * 30, next) }));
  const rule = (name: string, outcome: "flagged" | "quarantined" | "refused", share: number) => {
    const of = starts.map((ms) => ({ ts: iso(ms), messages: Math.round(intervalSeconds * 30 * share * next()) }));
    const messages = of.reduce((sum, one) => sum + one.messages, 0);
    return { rule: name, outcome, messages, share: messages / (steps * intervalSeconds * 30), points: of };
  };
  const chosen = query.get("rule");
  const rules = [
    rule("temperature-range", "flagged", 0.012),
    rule("clock-skew-behind", "flagged", 0.008),
    rule("latitude", "quarantined", 0.003),
    rule("malformed-json", "refused", 0.002),
    rule("flow-stuck", "flagged", 0.001),
  ].filter((one) => chosen === null || one.rule === chosen);
  const groups = ["thermostat", "pump", "meter"].flatMap((type) =>
    ["eu-north", "us-east"].map((region) => ({ type, region, ...figures(40_000, next) })),
  );
  return {
    from: iso(first),
    to: iso(Math.min(toMs, nowMs)),
    intervalSeconds,
    detail: null,
    totals: figures(steps * intervalSeconds * 30, next),
    points,
    groups,
    rules,
  };
}

/** The rules of types as `/v1/device-types/{type}/quality` holds them, with the tag that a change has to name. */
export function madeUpRules() {
  const own: Record<string, QualityRules> = {};
  const read = (type: string): TypeQuality & { etag: string } => {
    const view = { type, rules: own[type] ?? {}, effective: rulesWith(own[type]) };
    return { ...view, etag: JSON.stringify(Buffer.from(JSON.stringify(view)).toString("base64url")) };
  };
  return {
    read,
    /** False if they have changed since. */
    put(type: string, rules: QualityRules, ifMatch: string | undefined): boolean {
      if (ifMatch !== undefined && ifMatch !== read(type).etag) return false;
      own[type] = rules;
      return true;
    },
  };
}

function figures(messages: number, next: () => number): QualityFigures {
  const duplicates = Math.round(messages * 0.004 * next());
  const quarantined = Math.round(messages * 0.003 * next());
  const refused = Math.round(messages * 0.002 * next());
  const accepted = messages - duplicates - quarantined - refused;
  const flagged = Math.round(messages * 0.02 * next());
  return {
    ...{ messages, accepted, flagged, quarantined, refused, duplicates },
    ...{ readings: accepted * 3, flaggedReadings: flagged },
    ...{ completeness: 1 - 0.004 * next(), accuracy: 1 - 0.03 * next(), timeliness: 1 - 0.06 * next() },
    ...{
      delaySeconds: { mean: 0.4 + next(), max: 70 },
      newest: new Date().toISOString(),
      freshnessSeconds: 1 + next(),
    },
  };
}
