import type { QualityFigures, QualityReport, QualityRuleRow } from "../contract.ts";
import type { Panel } from "../history/panel.ts";
import type { Trace } from "../history/trace.ts";

/** A report as charts, in the shape that history draws. */
export function reportPanels(report: QualityReport): Panel[] {
  const panel = (
    key: string,
    title: string,
    lines: [name: string, of: (figures: QualityFigures) => number | null][],
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
      ["complete", ({ completeness }) => percent(completeness)],
      ["accurate", ({ accuracy }) => percent(accuracy)],
      ["timely", ({ timeliness }) => percent(timeliness)],
    ]),
    panel("troubles", "Messages with trouble", [
      ["flagged", ({ flagged }) => flagged],
      ["quarantined", ({ quarantined }) => quarantined],
      ["refused", ({ refused }) => refused],
      ["duplicates", ({ duplicates }) => duplicates],
    ]),
    panel("delay", "Delay and freshness, s", [
      ["delay, average", ({ delaySeconds }) => delaySeconds?.mean ?? null],
      ["age of the newest reading", ({ freshnessSeconds }) => freshnessSeconds],
    ]),
  ];
}

const mostSlots = 500;

/** The counts of a rule, an entry for each interval of the report: 0 where it was not broken. */
export function trendOf(
  rule: Pick<QualityRuleRow, "points">,
  report: Pick<QualityReport, "from" | "to" | "intervalSeconds">,
): number[] {
  const intervalMs = report.intervalSeconds * 1000;
  const first = Math.floor(Date.parse(report.from) / intervalMs);
  const slots = Math.max(1, Math.ceil(Date.parse(report.to) / intervalMs) - first);
  const trend = Array.from({ length: Math.min(mostSlots, slots) }, () => 0);
  for (const { ts, messages } of rule.points) {
    const at = Math.floor(Date.parse(ts) / intervalMs) - first;
    if (at in trend) trend[at] = (trend[at] ?? 0) + messages;
  }
  return trend;
}

/** An interval that has ended or not: all are drawn where they begin, as there is no band to them. */
function traceOf(report: QualityReport, name: string, of: (figures: QualityFigures) => number | null): Trace {
  const points = report.points.flatMap((figures) => {
    const height = of(figures);
    if (height === null) return [];
    const tsMs = Date.parse(figures.ts);
    return [{ tsMs, low: height, high: height, middle: height, count: figures.messages, flagged: 0, rules: [] }];
  });
  return { device: "", metric: name, kind: "buckets", bucketMs: report.intervalSeconds * 1000, points, texts: [] };
}
