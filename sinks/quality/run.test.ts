import { expect, test } from "vitest";
import type { TwinRecord } from "../../core/device/records.ts";
import { openMemoryDeviceTypes } from "../../ports/device-types/memory.ts";
import { noonMs, telemetry } from "../../ports/fleet-index/testing.ts";
import { memoryQualityStats } from "../../ports/quality-stats/memory.ts";
import { RunningTotals } from "../../ports/quality-stats/totals.ts";
import { StaleProgress } from "../../ports/time-series/port.ts";
import { openDimensions } from "./dimension.ts";
import { qualityTarget } from "./run.ts";

const range = { fromMs: noonMs, toMs: noonMs + 3_600_000 };
const item = (record: TwinRecord, offset = 0) => ({ offset, entry: { device: "pump-4", record } });

test("what a rule says of the data, the device type's rules tell", async () => {
  const deviceTypes = openMemoryDeviceTypes();
  await deviceTypes.put("pump", {
    quality: { "place-known": { kind: "required", metrics: ["latitude"], action: "flag" } },
  });
  const stats = memoryQualityStats();
  const target = qualityTarget(stats, deviceTypes);
  const flags = { "": ["place-known", "clock-skew-behind"], temperature: ["temperature-range"] };
  await target.commit([item({ ...telemetry(noonMs), type: "pump", flags })], { from: 0, to: 1 });
  await target.commit([item({ ...telemetry(noonMs), flags: { "": ["clock-skew-behind"] } })], { from: 1, to: 2 });
  const groups = await stats.groups(range);
  expect(groups).toMatchObject([
    { type: "default", counts: { flagged: 1, incomplete: 0, inaccurate: 0 } },
    { type: "pump", counts: { flagged: 1, incomplete: 1, inaccurate: 1 } },
  ]);
});

test("rules that change count in their dimension some seconds later", async () => {
  let nowMs = 0;
  const deviceTypes = openMemoryDeviceTypes();
  const dimensions = openDimensions(deviceTypes, { maxAgeMs: 10, now: () => nowMs });
  await dimensions.refresh();
  await deviceTypes.put("pump", { quality: { all: { kind: "required", metrics: ["a"], action: "flag" } } });
  await dimensions.refresh();
  expect(dimensions.of("pump", "all")).toBe("accuracy");
  nowMs = 10;
  await dimensions.refresh();
  expect([dimensions.of("pump", "all"), dimensions.of("fan", "all")]).toEqual(["completeness", "accuracy"]);
});

test("what was refused is counted nowhere", async () => {
  const totals = new RunningTotals();
  const stats = memoryQualityStats();
  const target = qualityTarget(stats, openMemoryDeviceTypes(), { counted: (rows) => totals.add(rows) });
  await target.commit([item(telemetry(noonMs))], { from: 0, to: 1 });
  await expect(target.commit([item(telemetry(noonMs))], { from: 0, to: 1 })).rejects.toThrow(StaleProgress);
  expect(totals.totals().groups.map(({ counts }) => counts.accepted)).toEqual([1]);
  expect((await stats.groups(range)).map(({ counts }) => counts.accepted)).toEqual([1]);
});
