import { expect, test } from "vitest";
import { openMetrics } from "./prometheus.ts";

test("what was counted between two scrapes is shown once, with its labels", async () => {
  const metrics = openMetrics();
  metrics.received.add("telemetry", 2);
  metrics.acknowledged.add();
  await metrics.registry.metrics();
  metrics.received.add("telemetry");
  const text = await metrics.registry.metrics();
  expect(text).toContain('doppel_mqtt_received_total{kind="telemetry"} 3');
  expect(text).toContain("doppel_mqtt_acknowledged_total 1");
});

test("a gauge is read when it is scraped", async () => {
  const metrics = openMetrics();
  let size = 1;
  metrics.gauge("doppel_test", "A test", () => size);
  size = 7;
  expect(await metrics.registry.metrics()).toContain("doppel_test 7");
});
