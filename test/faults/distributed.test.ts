import { expect, test } from "vitest";
import { daprBinaries } from "../../deploy/native/dapr-build.ts";
import { kafkaIsHere, mosquittoIsHere, redisIsHere } from "../../deploy/native/testing.ts";
import { faultKinds } from "./distributed-plan.ts";
import { runFaults } from "./fault-run.ts";

const daprIsHere = await daprBinaries().then(
  () => true,
  () => false,
);
if (!daprIsHere && process.env.CI) throw new Error("Dapr cannot be built. Install Go.");
if (!daprIsHere) console.warn("SKIPPED: faults of the distributed mode need Go, to build Dapr.");
const available = kafkaIsHere && redisIsHere && mosquittoIsHere && daprIsHere;

test.skipIf(!available)(
  "nothing acknowledged is lost, and nothing done twice, whatever part of the distributed system is killed or hangs",
  async () => {
    const report = await runFaults({
      ...{ mode: "distributed", seed: 7, faults: faultKinds.length, seconds: 12, devices: 20, rate: 3 },
      ...{ silenceSeconds: 20, shortestPauseMs: 3_000, longestPauseMs: 4_000 },
      say: () => {},
    });
    expect(report.violations).toEqual([]);
    expect(new Set(report.kills)).toEqual(new Set(faultKinds));
    expect(report.telemetry.acknowledged).toBeGreaterThan(500);
  },
  600_000,
);
