import fc from "fast-check";
import { expect, test } from "vitest";
import { PartitionReading, type ReadingOptions, type Unreadable } from "./partition-reading.ts";
import type { LogBatch, LoggedRecord } from "./port.ts";

const partition = { topic: "device-events", partition: 3 } as const;
const options: ReadingOptions = { copyWindow: 5, maxRecords: 3, onTrouble: () => {} };

test("however the log is read and the consumer restarted, it takes what one reading without a stop takes", () => {
  const anyLog = fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 3 })), { maxLength: 60 });
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.boolean()), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(anyLog, steps, (ids, cuts) => {
      let offset = 0;
      const log = ids.map(([id, step]) => {
        offset += step; // with gaps
        return record(offset, `d${id}`);
      });
      const end = offset + 1;
      const whole = takeAll(new PartitionReading(partition, null, { low: 0, end }, wide), log, end);
      const taken: LoggedRecord[] = [];
      let stored: number | null = null;
      let reading = new PartitionReading(partition, stored, { low: 0, end }, wide);
      for (let turn = 0; reading.next < end; turn += 1) {
        const [count, stops] = cuts[turn % cuts.length]!;
        const rest = log.filter((item) => item.offset >= reading.next);
        const next = rest[count]?.offset ?? end;
        for (const batch of reading.batches(rest.slice(0, count), next)) {
          expect(batch.from).toBe(stored ?? 0);
          taken.push(...batch.records);
          stored = batch.next;
        }
        if (stops && stored !== null && turn < 200)
          reading = new PartitionReading(partition, stored, { low: 0, end }, wide);
        if (stops && turn < 200 && reading.next < next) finish(reading, log, next);
      }
      expect(taken).toEqual(whole);
      expect(stored ?? end).toBe(end);
    }),
  );
});

test("a batch holds at most so many records, and counts as taken when the next is asked for", () => {
  const reading = new PartitionReading(partition, 10, { low: 0, end: 100 }, { ...options, copyWindow: 0 });
  const log = Array.from({ length: 7 }, (_, index) => record(10 + index, `d${index}`));
  const batches = reading.batches(log, 20);
  const first = batches.next().value as LogBatch;
  expect(first).toMatchObject({ ...partition, from: 10, next: 13 });
  expect(reading.progress).toBe(10);
  expect([...batches].map(({ from, next, records }) => [from, next, records.length])).toEqual([
    [13, 16, 3],
    [16, 20, 1],
  ]);
  expect(reading.progress).toBe(20);
});

test("records before the progress are read again for their copies only, not below what is kept", () => {
  expect(new PartitionReading(partition, 50, { low: 0, end: 90 }, options).next).toBe(45);
  expect(new PartitionReading(partition, 50, { low: 48, end: 90 }, options).next).toBe(48);
  expect(new PartitionReading(partition, 50, { low: 60, end: 90 }, options).next).toBe(60);
  expect(new PartitionReading(partition, null, { low: 60, end: 90 }, options).next).toBe(60);
});

test("only copies: a batch without records still moves the progress", () => {
  const reading = new PartitionReading(partition, 2, { low: 0, end: 4 }, options);
  const log = [record(0, "a"), record(1, "b"), record(2, "a"), record(3, "b")];
  expect([...reading.batches(log, 4)]).toEqual([{ ...partition, records: [], from: 2, next: 4 }]);
  expect([...reading.batches([], 4)]).toEqual([]);
});

test("what cannot be read is told with its place, once it is the consumer's turn to take it", () => {
  const told: string[] = [];
  const onTrouble = (error: Error) => void told.push(error.message);
  const bad = (offset: number): Unreadable => ({ offset, error: new Error("it is empty") });
  const reading = new PartitionReading(partition, 2, { low: 0, end: 4 }, { ...options, onTrouble });
  expect([...reading.batches([bad(0), record(1, "a"), bad(2), record(3, "b")], 4)]).toMatchObject([
    { from: 2, next: 4, records: [{ id: "b" }] },
  ]);
  expect(told).toEqual(["device-events/3 offset 2 is left out: it is empty"]);
});

test("a progress beyond the log's end is told, and reading begins at the oldest record", () => {
  const told: string[] = [];
  const onTrouble = (error: Error) => void told.push(error.message);
  const reading = new PartitionReading(partition, 500, { low: 7, end: 9 }, { ...options, onTrouble });
  expect(told).toEqual([expect.stringContaining("The progress in device-events/3 is 500, but the log ends at 9")]);
  expect([...reading.batches([record(7, "a"), record(8, "b")], 9)]).toMatchObject([{ from: 500, next: 9 }]);
});

/** The window of the property: wide enough for every restart to see the same copies as no restart. */
const wide: ReadingOptions = { ...options, copyWindow: 1_000 };

function finish(reading: PartitionReading, log: readonly LoggedRecord[], to: number): void {
  const again = log.filter((item) => item.offset >= reading.next && item.offset < to);
  expect([...reading.batches(again, to)]).toEqual([]); // all of it was taken before
}

function takeAll(reading: PartitionReading, log: readonly LoggedRecord[], end: number): LoggedRecord[] {
  return [...reading.batches(log, end)].flatMap(({ records }) => records);
}

function record(offset: number, id: string): LoggedRecord {
  return { offset, id, device: "pump", record: { kind: "deregistered", atMs: offset } };
}
