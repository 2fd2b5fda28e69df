import { expect, test } from "vitest";
import { openMemoryLog } from "../ports/event-log/memory.ts";
import { memoryFleetIndex } from "../ports/fleet-index/memory.ts";
import { noonMs, telemetry } from "../ports/fleet-index/testing.ts";
import { memoryTimeSeries } from "../ports/time-series/memory.ts";
import { retain } from "./retention.ts";

const day = 24 * 3_600_000;
const times = { telemetryRetentionMs: 30 * day, eventRetentionMs: 30 * day, logRetentionMs: 7 * day };

test.each([
  { series: 3, fleet: 4, replayFrom: 4, start: 2 },
  { series: 4, fleet: 1, replayFrom: 4, start: 0 },
  { series: 4, fleet: 4, replayFrom: 2, start: 2 },
  { series: 4, fleet: 4, replayFrom: 4, start: 4 },
])("the log keeps what a sink or a start still needs: $start", async ({ series, fleet, replayFrom, start }) => {
  const parts = await withProgress(series, fleet, replayFrom);
  await retain(parts, times, noonMs + 8 * day);
  expect(await parts.log.start()).toBe(start);
});

test("the log keeps what is younger than its time, whoever has read it", async () => {
  const parts = await withProgress(4, 4, 4);
  expect(await retain(parts, times, noonMs + 6 * day)).toEqual({ droppedPartitions: [], trimmedBatches: 0 });
  expect(await parts.log.start()).toBe(0);
});

/** A log of two batches of two, a week old at `noonMs` + 7 days. */
async function withProgress(seriesTo: number, fleetTo: number, replayFrom: number) {
  const log = openMemoryLog(undefined, () => noonMs);
  for (const at of [0, 2]) await log.append([0, 1].map((i) => ({ device: "a", record: telemetry(noonMs + at + i) })));
  const series = memoryTimeSeries();
  const fleet = memoryFleetIndex();
  await series.write([], { from: 0, to: seriesTo });
  await fleet.apply([], { from: 0, to: fleetTo });
  return { log, series, fleet, twins: { replayFrom: async () => replayFrom } };
}
