import fc from "fast-check";
import { expect, test } from "vitest";
import { openMemoryLog } from "../ports/event-log/memory.ts";
import { noonMs, telemetry } from "../ports/fleet-index/testing.ts";
import { sharedReads } from "./shared-reads.ts";

test("readers that stand at the same place cause one read", async () => {
  const { reads, shared } = await aLog(40);
  const [first, second] = await Promise.all([shared.read(0, 20), shared.read(0, 20)]);
  const inside = await shared.read(7, 13);
  expect(reads).toEqual([0]);
  expect(second).toEqual(first);
  expect(inside.entries.map(({ offset }) => offset)).toEqual([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  expect(inside.next).toBe(20);
});

test("who follows behind another gets what has come since, too", async () => {
  const { log, reads, shared } = await aLog(4);
  await shared.read(0, 20);
  await log.append([{ device: "pump-4", record: telemetry() }]);
  const found = await shared.read(2, 20);
  expect(found.entries.map(({ offset }) => offset)).toEqual([2, 3, 4]);
  expect(found.next).toBe(5);
  expect(reads).toEqual([0, 4]);
});

test("the end of the log is looked for anew each time", async () => {
  const { log, shared } = await aLog(4);
  expect((await shared.read(4, 20)).entries).toEqual([]);
  await log.append([{ device: "pump-4", record: telemetry() }]);
  expect((await shared.read(4, 20)).next).toBe(5);
});

test("a failed read is not remembered", async () => {
  const { log } = await aLog(4);
  let fail = true;
  const shared = sharedReads({ read: (...args) => (fail ? Promise.reject(new Error("cut")) : log.read(...args)) });
  await expect(shared.read(0, 20)).rejects.toThrow("cut");
  fail = false;
  expect((await shared.read(0, 20)).next).toBe(4);
});

test("whoever walks the log, at whatever pace beside others, gets every record once", async () => {
  const { shared } = await aLog(60);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 9 })), { maxLength: 80 }),
      async (turns) => {
        const at = [0, 0, 0];
        for (const [walker, atMost] of turns) {
          const { entries, next } = await shared.read(at[walker]!, atMost);
          const expected = Array.from({ length: next - at[walker]! }, (_, index) => at[walker]! + index);
          expect(entries.map(({ offset }) => offset)).toEqual(expected);
          expect(next > at[walker]! || next === 60).toBe(true);
          at[walker] = next;
        }
      },
    ),
  );
});

/** A log in blocks of two, read through `shared`; `reads` are the offsets that were asked of the log itself. */
async function aLog(count: number) {
  const log = openMemoryLog();
  for (let offset = 0; offset < count; offset += 2)
    await log.append([0, 1].map((index) => ({ device: "pump-4", record: telemetry(noonMs + offset + index) })));
  const reads: number[] = [];
  const shared = sharedReads({
    read(offset, atMost) {
      reads.push(offset);
      return log.read(offset, atMost);
    },
  });
  return { log, reads, shared };
}
