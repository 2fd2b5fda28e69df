import { expect, test } from "vitest";
import { registered } from "../ports/fleet-index/testing.ts";
import type { LogBatch } from "../ports/record-log/port.ts";
import { type Progress, StaleProgress } from "../ports/time-series/port.ts";
import { openPartitionSink, type PartitionTarget } from "./partition-sink.ts";

test("a large batch is committed in parts, each with its progress", async () => {
  const { target, commits } = aTarget();
  const sink = openPartitionSink(target, { maxWeight: 2 });
  await sink.take(aBatch({ from: 10, offsets: [10, 12, 15], next: 20 }));
  expect(commits).toEqual([
    { offsets: [10, 12], from: 10, to: 15, partition: "device-events/3" },
    { offsets: [15], from: 15, to: 20, partition: "device-events/3" },
  ]);
  expect(sink.records()).toBe(3);
});

test("a batch of copies alone moves the progress", async () => {
  const { target, commits } = aTarget();
  await openPartitionSink(target).take(aBatch({ from: 10, offsets: [], next: 20 }));
  expect(commits).toEqual([{ offsets: [], from: 10, to: 20, partition: "device-events/3" }]);
});

test("what is wrong with a partition is told until it is taken again", async () => {
  const { target, fail } = aTarget();
  const sink = openPartitionSink(target);
  const batch = aBatch({ from: 7, offsets: [7], next: 8 });
  fail(new Error("disk full"));
  await expect(sink.take(batch)).rejects.toThrow("disk full");
  fail(null);
  expect(await sink.progress({ topic: "device-events", partition: 3 })).toBe(7);
  expect([...sink.troubles()]).toEqual([["device-events/3", "disk full"]]);
  await sink.take(batch);
  expect(sink.troubles().size).toBe(0);
});

test("a commit that was done, and whose answer was lost, is no trouble any more once that is known", async () => {
  const { target, fail } = aTarget();
  const sink = openPartitionSink(target);
  fail(new Error("connection lost"));
  await expect(sink.take(aBatch({ from: 3, offsets: [3], next: 7 }))).rejects.toThrow("connection lost");
  fail(null);
  expect(await sink.progress({ topic: "device-events", partition: 3 })).toBe(7);
  expect(sink.troubles().size).toBe(0);
});

test("what was wrong with a partition that another member has now is forgotten", async () => {
  let nowMs = 0;
  const { target, fail } = aTarget();
  const sink = openPartitionSink(target, { now: () => nowMs });
  fail(new Error("disk full"));
  await expect(sink.progress({ topic: "device-events", partition: 3 })).rejects.toThrow("disk full");
  nowMs = 59_999;
  expect(sink.troubles().size).toBe(1);
  nowMs = 60_000;
  expect(sink.troubles().size).toBe(0);
});

test("a commit that is refused once is no trouble, again and again is", async () => {
  const { target, fail } = aTarget();
  const sink = openPartitionSink(target);
  fail(new StaleProgress("stands elsewhere"));
  await expect(sink.take(aBatch())).rejects.toBeInstanceOf(StaleProgress);
  expect(sink.troubles().size).toBe(0);
  await expect(sink.take(aBatch())).rejects.not.toBeInstanceOf(StaleProgress);
  expect(sink.troubles().size).toBe(1);
});

function aBatch({ from = 0, offsets = [0], next = 1 } = {}): LogBatch {
  const records = offsets.map((offset) => ({ offset, id: `d${offset}`, device: "pump-4", record: registered() }));
  return { topic: "device-events", partition: 3, from, next, records };
}

function aTarget() {
  const commits: (Progress & { offsets: number[] })[] = [];
  let failure: Error | null = null;
  const target: PartitionTarget = {
    name: "test",
    weigh: () => 1,
    async progressIn() {
      if (failure !== null) throw failure;
      return 7;
    },
    async commit(items, progress) {
      if (failure !== null) throw failure;
      commits.push({ offsets: items.map(({ offset }) => offset), ...progress });
    },
  };
  const fail = (error: Error | null) => {
    failure = error;
  };
  return { target, commits, fail };
}
