import { expect, test } from "vitest";
import { openMetrics } from "../metrics/prometheus.ts";
import { meterQuality } from "./meter.ts";
import { noCounts, type QualityRow } from "./port.ts";
import { RunningTotals } from "./totals.ts";

function aRow(type: string, messages: number): QualityRow {
  const counts = { ...noCounts, accepted: messages, timely: 1, incomplete: 2, newestMs: 60_000 };
  const rules = [{ rule: "range", outcome: "flagged" as const, messages }];
  return { minuteMs: 0, type, region: "eu", counts, rules };
}

test("what the quality sink has counted is shown by type, region and rule", async () => {
  const metrics = openMetrics();
  const totals = new RunningTotals();
  meterQuality(
    metrics,
    () => totals.totals(),
    () => 90_000,
  );
  totals.add([aRow("pump", 3)]);
  totals.add([aRow("pump", 4)]);
  const text = await metrics.registry.metrics();
  expect(text).toContain('doppel_quality_messages_total{outcome="accepted",type="pump",region="eu"} 7');
  expect(text).toContain('doppel_quality_rule_broken_total{rule="range",outcome="flagged",type="pump",region="eu"} 7');
  expect(text).toContain('doppel_quality_incomplete_total{type="pump",region="eu"} 4');
  expect(text).toContain('doppel_quality_late_total{type="pump",region="eu"} 5');
  expect(text).toContain('doppel_quality_freshness_seconds{type="pump",region="eu"} 30');
});

test("however many types there are, the series stay few and no message is lost", () => {
  const totals = new RunningTotals();
  for (let number = 0; number < 1_000; number += 1) totals.add([aRow(`type-${number}`, 1)]);
  const { groups, rules } = totals.totals();
  expect([groups.length, rules.length]).toEqual([101, 101]);
  expect(groups.reduce((sum, { counts }) => sum + counts.accepted, 0)).toBe(1_000);
  expect(groups.at(-1)).toMatchObject({ type: "other", region: "other", counts: { accepted: 900 } });
});
