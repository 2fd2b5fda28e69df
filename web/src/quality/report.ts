import type { Panel } from "../history/panel.ts";
import type { Trace } from "../history/trace.ts";
import { type Counts, measuresOf } from "./measures.ts";

/** How good the data was over a stretch of time, as the page shows it. Times are epoch ms, freshness and delay ms. */
export type Report = {
  fromMs: number;
  toMs: number;
  intervalMs: number;
  total: Figures;
  points: (Figures & { tsMs: number })[];
  groups: (Figures & { type: string; region: string })[];
  rules: RuleRow[];
};

export type Figures = Counts & {
  /** Age of the newest reading; null: there was none. */
  freshnessMs: number | null;
  /** From a reading's own time to our having it, on average; null: there was none. */
  delayMs: number | null;
};

export type RuleRow = {
  rule: string;
  outcome: "flagged" | "quarantined" | "refused";
  messages: number;
  points: { tsMs: number; messages: number }[];
};

/** The report as charts, in the shape that history draws. */
export function reportPanels(report: Report): Panel[] {
  const panel = (
    key: string,
    title: string,
    lines: [name: string, of: (figures: Figures) => number | null][],
  ): Panel => ({
    key,
    title,
    axes: { left: title, right: null },
    lines: lines.map(([name, of], at) => ({
      key: name,
      name,
      trace: traceOf(report, name, of),
      colour: `line-${at + 1}`,
      dashed: false,
      axis: "left",
      shown: true,
    })),
  });
  const percent = (value: number | null) => (value === null ? null : value * 100);
  return [
    panel("shares", "Complete, accurate and timely, %", [
      ["completeness", (figures) => percent(measuresOf(figures).completeness)],
      ["accuracy", (figures) => percent(measuresOf(figures).accuracy)],
      ["timeliness", (figures) => percent(measuresOf(figures).timeliness)],
    ]),
    panel("troubles", "Messages with trouble", [
      ["flagged", ({ flagged }) => flagged],
      ["quarantined", ({ quarantined }) => quarantined],
      ["refused", ({ refused }) => refused],
      ["duplicates", ({ duplicates }) => duplicates],
    ]),
    panel("delay", "Delay until received, s", [
      ["average", ({ delayMs }) => (delayMs === null ? null : delayMs / 1000)],
    ]),
  ];
}

/** The counts of a rule, an entry for each interval of the report: 0 where it was not broken. */
export function trendOf(rule: RuleRow, report: Pick<Report, "fromMs" | "toMs" | "intervalMs">): number[] {
  const { fromMs, toMs, intervalMs } = report;
  const first = Math.floor(fromMs / intervalMs);
  const trend = Array.from({ length: Math.min(500, Math.max(1, Math.ceil(toMs / intervalMs) - first)) }, () => 0);
  for (const { tsMs, messages } of rule.points) {
    const at = Math.floor(tsMs / intervalMs) - first;
    if (at in trend) trend[at] = (trend[at] ?? 0) + messages;
  }
  return trend;
}

function traceOf(report: Report, name: string, of: (figures: Figures) => number | null): Trace {
  const points = report.points.flatMap((figures) => {
    const height = of(figures);
    if (height === null) return [];
    const count = figures.accepted + figures.quarantined;
    return [{ tsMs: figures.tsMs, low: height, high: height, middle: height, count, flagged: 0, rules: [] }];
  });
  return { device: "", metric: name, kind: "buckets", bucketMs: report.intervalMs, points, texts: [] };
}
