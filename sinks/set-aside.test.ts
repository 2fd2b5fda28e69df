import fc from "fast-check";
import { expect, test } from "vitest";
import { noonMs, telemetry } from "../ports/fleet-index/testing.ts";
import { memorySinkDeadLetters } from "../ports/sink-dead-letters/memory.ts";
import { type Progress, RowsRefused, StaleProgress } from "../ports/time-series/port.ts";
import type { LogItem } from "./consumer.ts";
import { withSetAside } from "./set-aside.ts";
import type { SinkTarget } from "./target.ts";

const item = (offset: number): LogItem => ({
  ...{ offset, entry: { device: `pump-${offset}`, record: telemetry(noonMs, { temperature: offset }) } },
});

/** A storage that keeps offsets, each commit whole or not at all; it refuses some for good, and fails when `fails` says so. */
function aStorage(refuses: ReadonlySet<number>, fails: () => boolean = () => false) {
  const stored: number[] = [];
  let at = 0;
  const target: SinkTarget = {
    ...{ name: "fleet", topics: [], weigh: () => 1 },
    progress: async () => at,
    progressIn: async () => at,
    async commit(items, { from, to }: Progress) {
      if (from !== at) throw new StaleProgress(`it stands at ${at}`);
      if (fails()) throw new Error("away");
      const bad = items.find(({ offset }) => refuses.has(offset));
      if (bad !== undefined) throw new RowsRefused(`${bad.offset} is refused`);
      stored.push(...items.map(({ offset }) => offset));
      at = to;
    },
  };
  return { target, stored };
}

test("what the storage refuses is set aside with its reason, and the rest of the batch goes on", async () => {
  const { target, stored } = aStorage(new Set([2, 5]));
  const letters = memorySinkDeadLetters();
  const sink = withSetAside(target, letters, () => noonMs);
  await sink.commit([1, 2, 3, 5, 8].map(item), { from: 0, to: 9, partition: "iot-telemetry/1" });
  expect([stored, await sink.progress()]).toEqual([[1, 3, 8], 9]);
  const at = { sink: "fleet", partition: "iot-telemetry/1", part: "", atMs: noonMs };
  expect(await letters.list({ limit: 9 })).toMatchObject([
    { ...at, offset: 5, device: "pump-5", reason: "5 is refused" },
    { ...at, offset: 2, device: "pump-2", reason: "2 is refused", content: expect.stringContaining("temperature") },
  ]);
});

test("whatever is refused and wherever it fails in between, each record is stored or set aside, once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(40), { maxLength: 40 }),
      fc.func(fc.boolean()),
      fc.array(fc.boolean(), { maxLength: 30 }),
      async (offsets, isRefused, failures) => {
        const items = offsets.toSorted((a, b) => a - b).map(item);
        const refuses = new Set(offsets.filter((offset) => isRefused(offset)));
        const { target, stored } = aStorage(refuses, () => failures.pop() ?? false);
        const letters = memorySinkDeadLetters();
        const sink = withSetAside(target, letters, () => noonMs);
        for (let tries = 0; (await sink.progress()) < 41; tries += 1) {
          expect(tries).toBeLessThan(40);
          const from = await sink.progress();
          const rest = items.filter(({ offset }) => offset >= from);
          await sink.commit(rest, { from, to: 41 }).catch((error: Error) => expect(error.message).toBe("away"));
        }
        expect(stored).toEqual(items.map(({ offset }) => offset).filter((offset) => !refuses.has(offset)));
        const aside = (await letters.list({ limit: 99 })).map(({ offset }) => offset);
        expect(aside.toSorted((a, b) => a - b)).toEqual([...refuses].sort((a, b) => a - b));
      },
    ),
  );
});

test("another failure, even one for good, sets nothing aside: the batch waits", async () => {
  const taken = Object.assign(new Error("another's archive"), { retry: "never" });
  const letters = memorySinkDeadLetters();
  const { target } = aStorage(new Set());
  const sink = withSetAside({ ...target, commit: () => Promise.reject(taken) }, letters);
  await expect(sink.commit([item(1)], { from: 0, to: 2 })).rejects.toBe(taken);
  expect(await letters.counts()).toEqual({});
});

test("where the storage refuses but finds nothing to set aside, the batch waits", async () => {
  const letters = memorySinkDeadLetters();
  const { target } = aStorage(new Set([1]));
  const sink = withSetAside({ ...target, refusals: async (kept) => ({ refused: [], kept }) }, letters);
  await expect(sink.commit([item(1)], { from: 0, to: 2 })).rejects.toBeInstanceOf(RowsRefused);
  expect(await letters.counts()).toEqual({});
});
