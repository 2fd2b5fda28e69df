/** The log's records as counts by minute, type and region: a batch of thousands comes to a few rows. Pure. */
import type { DeadLettered, TelemetryAccepted, TwinRecord } from "../../core/device/records.ts";
import type { QualityCounts, QualityRow, RuleCount, RuleOutcome } from "../../ports/quality-stats/port.ts";
import type { LogItem } from "../consumer.ts";
import { type DimensionOf, defaultDimensionOf } from "./dimension.ts";

export const minuteMs = 60_000;
/** A message that reaches us within this time of its own is timely. */
export const timelyMs = 60_000;
/** As a device without a registration counts. */
export const noType = "default";
export const noRegion = "";

type Counting = { -readonly [Name in keyof QualityCounts]: number };
type Row = { minuteMs: number; type: string; region: string; counts: Counting; rules: Map<string, RuleCount> };

export function qualityRowsOf(items: readonly LogItem[], dimensionOf: DimensionOf = defaultDimensionOf): QualityRow[] {
  const rows = new Map<string, Row>();
  let last: Row | null = null;
  for (const { entry } of items) {
    const { record } = entry;
    if (!isCounted(record)) continue;
    const { atMs, type = noType, region = noRegion } = record;
    const minute = Math.floor(atMs / minuteMs) * minuteMs;
    // Neighbours are mostly of one kind.
    if (last === null || last.minuteMs !== minute || last.type !== type || last.region !== region) {
      const key: string = JSON.stringify([minute, type, region]);
      last = rows.get(key) ?? { minuteMs: minute, type, region, counts: zeros(), rules: new Map() };
      rows.set(key, last);
    }
    count(last, record, dimensionOf);
  }
  return [...rows.values()].map(({ rules, ...row }) => ({ ...row, rules: [...rules.values()] }));
}

type Counted = TelemetryAccepted | DeadLettered | Extract<TwinRecord, { kind: "seen" }>;

/** Whether the record says anything of how good the data is. */
export function isCounted(record: TwinRecord): record is Counted {
  return (
    record.kind === "telemetry" ||
    record.kind === "deadLettered" ||
    (record.kind === "seen" && record.why === "duplicate")
  );
}

function count(row: Row, record: Counted, dimensionOf: DimensionOf): void {
  if (record.kind === "telemetry") countAccepted(row, record, dimensionOf);
  else if (record.kind === "deadLettered") countDeadLetter(row, record, dimensionOf);
  else row.counts.duplicates += record.count ?? 1;
}

function countAccepted(row: Row, record: TelemetryAccepted, dimensionOf: DimensionOf): void {
  const { counts } = row;
  const { atMs, tsMs, readings, flags } = record;
  counts.accepted += 1;
  const delayMs = Math.max(0, atMs - tsMs);
  if (delayMs <= timelyMs) counts.timely += 1;
  counts.delaySumMs += delayMs;
  if (delayMs > counts.delayMaxMs) counts.delayMaxMs = delayMs;
  counts.newestMs = Math.max(counts.newestMs, Math.min(tsMs, atMs));
  for (const _ in readings) counts.readings += 1;
  if (flags === undefined) return;
  const broken = new Set<string>();
  for (const [metric, names] of Object.entries(flags)) {
    if (Object.hasOwn(readings, metric) && names.length > 0) counts.flaggedReadings += 1;
    for (const name of names) broken.add(name);
  }
  if (broken.size > 0) counts.flagged += 1;
  countBroken(row, broken, "flagged", dimensionOf);
}

function countDeadLetter(row: Row, { reason, broken }: DeadLettered, dimensionOf: DimensionOf): void {
  const { counts, rules } = row;
  if (reason !== "quarantined") {
    counts.refused += 1;
    countRule(rules, reason, "refused");
    return;
  }
  counts.quarantined += 1;
  countBroken(row, new Set(broken?.map(({ rule }) => rule)), "quarantined", dimensionOf);
}

function countBroken(row: Row, broken: ReadonlySet<string>, outcome: RuleOutcome, dimensionOf: DimensionOf): void {
  const { counts, rules, type } = row;
  let incomplete = false;
  let inaccurate = false;
  for (const rule of broken) {
    countRule(rules, rule, outcome);
    const dimension = dimensionOf(type, rule);
    incomplete ||= dimension === "completeness";
    inaccurate ||= dimension === "accuracy";
  }
  if (incomplete) counts.incomplete += 1;
  if (inaccurate) counts.inaccurate += 1;
}

function countRule(rules: Map<string, RuleCount>, rule: string, outcome: RuleOutcome): void {
  const key = `${outcome} ${rule}`;
  rules.set(key, { rule, outcome, messages: (rules.get(key)?.messages ?? 0) + 1 });
}

function zeros(): Counting {
  return {
    ...{ accepted: 0, flagged: 0, quarantined: 0, refused: 0, duplicates: 0, incomplete: 0, inaccurate: 0, timely: 0 },
    ...{ readings: 0, flaggedReadings: 0, delaySumMs: 0, delayMaxMs: 0, newestMs: 0 },
  };
}
