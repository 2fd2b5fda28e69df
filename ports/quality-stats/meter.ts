import type { LabelledValue, Metrics } from "../metrics/prometheus.ts";
import type { QualityCounts } from "./port.ts";
import type { QualityTotals } from "./totals.ts";

/** Shows how good the data is, since the start of the process that runs the quality sink. @param now epoch ms */
export function meterQuality(metrics: Metrics, read: () => QualityTotals, now: () => number = Date.now): void {
  const byGroup = (value: (counts: QualityCounts) => number) => (): LabelledValue[] =>
    read().groups.map(({ type, region, counts }) => ({ labels: { type, region }, value: value(counts) }));
  const labels = ["type", "region"];

  metrics.labelledCounter(
    "doppel_quality_messages_total",
    "Messages by what became of them; flagged ones are accepted ones too",
    ["outcome", ...labels],
    () =>
      read().groups.flatMap(({ type, region, counts }) =>
        (["accepted", "flagged", "quarantined", "refused", "duplicates"] as const).map((outcome) => ({
          labels: { outcome, type, region },
          value: counts[outcome],
        })),
      ),
  );
  metrics.labelledCounter(
    "doppel_quality_rule_broken_total",
    "Messages that broke a quality rule, or were refused for a reason",
    ["rule", "outcome", ...labels],
    () =>
      read().rules.map(({ rule, outcome, type, region, messages }) => ({
        labels: { rule, outcome, type, region },
        value: messages,
      })),
  );
  metrics.labelledCounter(
    "doppel_quality_incomplete_total",
    "Accepted or quarantined messages in which something required was missing",
    labels,
    byGroup(({ incomplete }) => incomplete),
  );
  metrics.labelledCounter(
    "doppel_quality_inaccurate_total",
    "Accepted or quarantined messages with a value that broke a rule",
    labels,
    byGroup(({ inaccurate }) => inaccurate),
  );
  metrics.labelledCounter(
    "doppel_quality_late_total",
    "Accepted messages that came more than a minute after their own time",
    labels,
    byGroup(({ accepted, timely }) => accepted - timely),
  );
  metrics.labelledCounter(
    "doppel_quality_delay_seconds_total",
    "Time from the messages' own time until they reached us, added up over accepted messages",
    labels,
    byGroup(({ delaySumMs }) => delaySumMs / 1_000),
  );
  metrics.multiGauge("doppel_quality_freshness_seconds", "Age of the newest reading", labels, () =>
    read()
      .groups.filter(({ counts }) => counts.newestMs > 0)
      .map(({ type, region, counts }) => ({
        labels: { type, region },
        value: Math.max(0, now() - counts.newestMs) / 1_000,
      })),
  );
}
