import fc from "fast-check";
import { expect, test } from "vitest";
import { openMemoryLog } from "../ports/event-log/memory.ts";
import type { LogEntry } from "../ports/event-log/port.ts";
import { noonMs, telemetry } from "../ports/fleet-index/testing.ts";
import { memoryTimeSeries } from "../ports/time-series/memory.ts";
import type { TimeSeries } from "../ports/time-series/port.ts";
import { openConsumer } from "./consumer.ts";
import { forever } from "./testing.ts";
import { timeSeriesTarget } from "./timeseries/run.ts";

const limits = { maxRecords: 10, maxWeight: 50_000 };

test("every reading of the log is in the series, and the consumer is idle then", async () => {
  const { log, series } = await aLog(25);
  const consumer = openConsumer(log, timeSeriesTarget(series, forever), limits);
  const kinds = [];
  for (let step = 0; step < 4; step += 1) kinds.push(await consumer.step());
  expect(kinds.map((step) => (step.kind === "advanced" ? step.full : step.kind))).toEqual([true, true, false, "idle"]);
  expect(consumer.stats()).toEqual({ progress: 25, records: 25, error: null });
  expect(await values(series)).toEqual(Array.from({ length: 25 }, (_, index) => index));
});

test("a new consumer goes on where the stored progress stands", async () => {
  const { log, series } = await aLog(25);
  await openConsumer(log, timeSeriesTarget(series, forever), limits).step();
  const second = openConsumer(log, timeSeriesTarget(series, forever), limits);
  await second.step();
  expect(second.stats()).toEqual({ progress: 20, records: 10, error: null });
});

test("records that hold many readings are committed in parts", async () => {
  const { log, series } = await aLog(10);
  const sizes: number[] = [];
  const counting: TimeSeries = {
    ...series,
    write: (rows, progress) => {
      sizes.push(rows.length);
      return series.write(rows, progress);
    },
  };
  await openConsumer(log, timeSeriesTarget(counting, forever), { maxRecords: 10, maxWeight: 4 }).step();
  expect(sizes).toEqual([4, 4, 2]);
  expect(await series.progress()).toBe(10);
});

test("one record heavier than a transaction still goes through, alone", async () => {
  const log = openMemoryLog();
  const wide = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`m${index}`, index]));
  await log.append([entry(1), { device: "pump-4", record: telemetry(noonMs, wide) }, entry(2)]);
  const series = memoryTimeSeries();
  await openConsumer(log, timeSeriesTarget(series, forever), { maxRecords: 10, maxWeight: 4 }).step();
  expect(await series.progress()).toBe(3);
});

test("when another writer was quicker, the consumer goes on from the other's place", async () => {
  const { log, series } = await aLog(20);
  const slow = openConsumer(log, timeSeriesTarget(series, forever), limits);
  await slow.step();
  const quick = openConsumer(log, timeSeriesTarget(series, forever), limits);
  await quick.step();
  expect(await slow.step()).toMatchObject({ kind: "failed", times: 1 });
  expect(slow.stats().error).toBeNull();
  expect(await slow.step()).toEqual({ kind: "idle" });
  expect(await values(series)).toHaveLength(20);
});

test("however commits fail, with or without effect, each reading is there once", async () => {
  const anyOutcome = fc.constantFrom("done", "refused", "answer lost");
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyOutcome, { maxLength: 30 }),
      fc.integer({ min: 1, max: 7 }),
      async (outcomes, maxWeight) => {
        const { log, series } = await aLog(25);
        const left = [...outcomes];
        const failing: TimeSeries = {
          ...series,
          async write(rows, progress) {
            const outcome = left.shift() ?? "done";
            if (outcome !== "refused") await series.write(rows, progress);
            if (outcome !== "done") throw new Error(outcome);
          },
        };
        const consumer = openConsumer(log, timeSeriesTarget(failing, forever), { maxRecords: 10, maxWeight });
        for (let steps = 0; (await consumer.step()).kind !== "idle"; steps += 1) expect(steps).toBeLessThan(100);
        expect(await values(series)).toEqual(Array.from({ length: 25 }, (_, index) => index));
        expect(consumer.stats().error).toBeNull();
      },
    ),
    { numRuns: 100 },
  );
});

test("a failure is told until the next commit", async () => {
  const { log, series } = await aLog(5);
  let broken = true;
  const target = timeSeriesTarget(series, forever);
  const failing = {
    ...target,
    commit: (...args: Parameters<typeof target.commit>) =>
      broken ? Promise.reject(new Error("disk full")) : target.commit(...args),
  };
  const consumer = openConsumer(log, failing, limits);
  expect(await consumer.step()).toMatchObject({ kind: "failed", times: 1 });
  expect(await consumer.step()).toMatchObject({ kind: "failed", times: 2 });
  expect(consumer.stats().error).toBe("disk full");
  broken = false;
  await consumer.step();
  expect(consumer.stats()).toEqual({ progress: 5, records: 5, error: null });
});

test("a log that was trimmed past the progress is read from its start", async () => {
  const { log, series } = await aLog(10);
  await log.trim({ offset: 4, epochMs: Number.MAX_SAFE_INTEGER });
  const consumer = openConsumer(log, timeSeriesTarget(series, forever), limits);
  await consumer.step();
  expect(consumer.stats().progress).toBe(10);
  expect(await values(series)).toEqual([4, 5, 6, 7, 8, 9]);
});

/** A log of that many records in blocks of two, whose readings count up, and an empty series. */
async function aLog(count: number) {
  const log = openMemoryLog();
  const entries = Array.from({ length: count }, (_, index) => entry(index));
  while (entries.length > 0) await log.append(entries.splice(0, 2));
  return { log, series: memoryTimeSeries() };
}

function entry(value: number): LogEntry {
  return { device: "pump-4", record: telemetry(noonMs + value, { count: value }) };
}

async function values(series: TimeSeries) {
  const range = { device: "pump-4", metric: "count", fromMs: 0, toMs: noonMs * 2 };
  return (await series.readings(range, 10_000)).map(({ value }) => value);
}
