import { expect, test } from "vitest";
import { openMemoryLog } from "../ports/event-log/memory.ts";
import { noonMs, telemetry } from "../ports/fleet-index/testing.ts";
import { trimLog } from "./retention.ts";

const day = 24 * 3_600_000;

test.each([
  { sinks: [3, 4], replayFrom: 4, start: 2 },
  { sinks: [4, 1], replayFrom: 4, start: 0 },
  { sinks: [4, 4], replayFrom: 2, start: 2 },
  { sinks: [4, 4], replayFrom: 4, start: 4 },
])("the log keeps what a sink or a start still needs: $start", async ({ sinks, replayFrom, start }) => {
  const log = await twoBatches();
  await trimLog(partsOf(log, sinks, replayFrom), 7 * day, noonMs + 8 * day);
  expect(await log.start()).toBe(start);
});

test("of a sink that gathers records, what it has stored counts, not what it has taken", async () => {
  const log = await twoBatches();
  const gathering = { progress: async () => 4, storedIn: async () => 2 };
  await trimLog({ ...partsOf(log, [4], 4), sinks: [gathering] }, 7 * day, noonMs + 8 * day);
  expect(await log.start()).toBe(2);
});

test("the log keeps what is younger than its time, whoever has read it", async () => {
  const log = await twoBatches();
  expect(await trimLog(partsOf(log, [4, 4], 4), 7 * day, noonMs + 6 * day)).toBe(0);
  expect(await log.start()).toBe(0);
});

/** A log of two batches of two, a week old at `noonMs` + 7 days. */
async function twoBatches() {
  const log = openMemoryLog(undefined, () => noonMs);
  for (const at of [0, 2]) await log.append([0, 1].map((i) => ({ device: "a", record: telemetry(noonMs + at + i) })));
  return log;
}

function partsOf(log: Awaited<ReturnType<typeof twoBatches>>, sinks: readonly number[], replayFrom: number) {
  return {
    log,
    twins: { replayFrom: async () => replayFrom },
    sinks: sinks.map((at) => ({ progress: async () => at })),
  };
}
