import { expect, test } from "vitest";
import { runFaults } from "./fault-run.ts";

test("nothing acknowledged is lost when Node, PostgreSQL or both are killed under load", async () => {
  const report = await runFaults({
    mode: "embedded",
    seed: 2,
    faults: 3,
    seconds: 9,
    devices: 20,
    rate: 10,
    say: () => {},
  });
  expect(report.violations).toEqual([]);
  expect(report.kills.length).toBeGreaterThanOrEqual(3);
  expect(report.telemetry.acknowledged).toBeGreaterThan(500);
}, 240_000);
