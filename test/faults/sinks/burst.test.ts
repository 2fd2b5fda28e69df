/** Ten times the usual rate for a minute: what the sinks hold of it stays bounded; the rest waits in the log. */
import { expect, test } from "vitest";
import { openMemoryArchive } from "../../../ports/archive/memory.ts";
import type { EventLogReader } from "../../../ports/event-log/port.ts";
import type { SeriesRow } from "../../../ports/time-series/port.ts";
import { archiveTarget } from "../../../sinks/archive/run.ts";
import { openConsumer, type Target } from "../../../sinks/consumer.ts";
import { readingsIn, rowsOf } from "../../../sinks/timeseries/fold.ts";

const noonMs = Date.UTC(2026, 10, 21, 12);
const usualPerSecond = 1_000;
const records = usualPerSecond * 10 * 60;
const readings = { temperature: 21.5, humidity: 40, open: true };
const limits = { maxRecords: 5_000, maxWeight: 12_000 };

/** Made as it is read: the test holds nothing of it. `largest`: entries that one read gave. */
function burst(): { log: Pick<EventLogReader, "read">; largest: () => number } {
  let largest = 0;
  return {
    largest: () => largest,
    log: {
      async read(offset, atMost) {
        const count = Math.min(atMost, records - offset);
        largest = Math.max(largest, count);
        const entries = Array.from({ length: count }, (_, index) => ({
          offset: offset + index,
          entry: {
            device: `pump-${(offset + index) % 1_000}`,
            record: {
              ...{ kind: "telemetry" as const, atMs: noonMs, tsMs: noonMs + offset + index, readings },
              identity: { kind: "sequence" as const, boot: "", seq: offset + index },
            },
          },
        }));
        return { entries, next: offset + count };
      },
    },
  };
}

async function toTheEnd(target: Target): Promise<{ read: number }> {
  const { log, largest } = burst();
  const consumer = openConsumer(log, target, limits);
  for (;;) {
    const step = await consumer.step();
    if (step.kind === "failed") throw step.error;
    if (step.kind === "idle") return { read: largest() };
  }
}

test("a sink of rows holds one batch, in transactions of so many rows", async () => {
  let [at, rows, largest] = [0, 0, 0];
  const { read } = await toTheEnd({
    name: "timeseries",
    progress: async () => at,
    weigh: readingsIn,
    async commit(items, { to }) {
      const made = rowsOf(items).length;
      rows += made;
      largest = Math.max(largest, made);
      at = to;
    },
  });
  expect(rows).toBe(records * 3);
  expect(read).toBeLessThanOrEqual(limits.maxRecords);
  expect(largest).toBeLessThanOrEqual(limits.maxWeight);
});

test("the archive holds one file's readings and one batch, however slow its store is", async () => {
  const maxRows = 50_000;
  const memory = openMemoryArchive();
  let [gathered, stored, largest, inFile] = [0, 0, 0, 0];
  const target = archiveTarget(
    {
      ...memory,
      // Keeps nothing: 1.8 million readings would be the test's own memory.
      async write(rows: readonly SeriesRow[], progress) {
        await new Promise((resolve) => setImmediate(resolve));
        stored += rows.length;
        inFile = Math.max(inFile, rows.length);
        return memory.write([], progress);
      },
    },
    { maxRows, maxAgeMs: 60_000, now: () => noonMs },
  );
  await toTheEnd({
    ...target,
    async commit(items, progress) {
      gathered += rowsOf(items).length;
      largest = Math.max(largest, gathered - stored);
      await target.commit(items, progress);
    },
  });
  await target.close!();
  expect(stored).toBe(records * 3);
  expect(inFile).toBeLessThanOrEqual(maxRows + limits.maxWeight);
  expect(largest).toBeLessThanOrEqual(maxRows + 2 * limits.maxWeight);
});
