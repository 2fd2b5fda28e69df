import fc from "fast-check";
import { expect, test } from "vitest";
import type { TwinRecord } from "../../core/device/records.ts";
import { openMemoryArchive } from "../../ports/archive/memory.ts";
import type { Archive } from "../../ports/archive/port.ts";
import { StoreAway } from "../../ports/object-store/port.ts";
import { StaleProgress } from "../../ports/time-series/port.ts";
import type { LogItem } from "../consumer.ts";
import { type ArchiveTargetOptions, archiveTarget } from "./run.ts";

const noonMs = Date.UTC(2026, 10, 21, 12);

function item(offset: number): LogItem {
  const record: TwinRecord = {
    ...{ kind: "telemetry", atMs: noonMs, tsMs: noonMs + offset, readings: { temperature: offset } },
    identity: { kind: "hash", hash: String(offset) } as never,
  };
  return { offset, entry: { device: "pump-4", record } };
}

const items = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => item(from + n));

async function offsetsIn(archive: Archive): Promise<number[]> {
  const found: number[] = [];
  const range = { device: "pump-4", metric: "temperature", fromMs: 0, toMs: noonMs * 2 };
  for await (const batch of archive.readings(range)) found.push(...batch.map(({ offset }) => offset));
  return found;
}

function opened(over: Partial<ArchiveTargetOptions> = {}, archive = openMemoryArchive()) {
  const clock = { nowMs: noonMs };
  let isAway = false;
  const guarded: Archive = {
    ...archive,
    write: async (...args) => {
      if (isAway) throw new StoreAway("The disk is full.");
      return await archive.write(...args);
    },
  };
  const target = archiveTarget(guarded, { maxRows: 10, maxAgeMs: 60_000, now: () => clock.nowMs, ...over });
  const chore = (name: string) => target.chores!.find((one) => one.name === name)!.run(clock.nowMs);
  const setAway = (away: boolean) => {
    isAway = away;
  };
  return { archive, target, clock, chore, setAway };
}

test("readings wait for a file of many, and their progress with them", async () => {
  const { archive, target } = opened();
  expect(await target.progress()).toBe(0);
  await target.commit(items(0, 4), { from: 0, to: 4 });
  expect(await archive.progressIn("")).toBe(0);
  expect(await target.storedIn!("")).toBe(0);
  await target.commit(items(4, 10), { from: 4, to: 10 });
  expect(await archive.progressIn("")).toBe(10);
  expect(await offsetsIn(archive)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("readings that have waited long enough get their file, however few they are", async () => {
  const { archive, target, clock, chore } = opened();
  await target.commit(items(0, 2), { from: 0, to: 5 });
  clock.nowMs += 59_000;
  await chore("files");
  expect(await archive.progressIn("")).toBe(0);
  clock.nowMs += 1_000;
  await chore("files");
  expect(await archive.progressIn("")).toBe(5);
});

test("what is gathered is stored before an orderly end", async () => {
  const { archive, target } = opened();
  await target.commit(items(0, 2), { from: 0, to: 2 });
  await target.close!();
  expect(await archive.progressIn("")).toBe(2);
});

test("a range that another process began is ended exactly, and the rest follows", async () => {
  const { archive, target } = opened();
  archive.open({ from: 0, to: 3 });
  await target.commit(items(0, 2), { from: 0, to: 2 });
  await target.close!();
  expect(await archive.progressIn("")).toBe(0);
  const writes: unknown[] = [];
  const write: Archive["write"] = (rows, progress) => {
    writes.push(progress);
    return archive.write(rows, progress);
  };
  const watched = opened({}, { ...archive, write });
  await watched.target.commit(items(0, 10), { from: 0, to: 10 });
  expect(writes).toEqual([
    { from: 0, to: 3 },
    { from: 3, to: 10 },
  ]);
  expect(await offsetsIn(archive)).toHaveLength(10);
});

test("while the store is away at most a file's readings are held, and afterwards nothing is missing", async () => {
  const { archive, target, setAway, chore } = opened();
  setAway(true);
  await target.commit(items(0, 10), { from: 0, to: 10 });
  await expect(target.commit(items(10, 20), { from: 10, to: 20 })).rejects.toThrow("disk is full");
  await expect(chore("files")).rejects.toThrow("disk is full");
  expect(await target.progress()).toBe(10); // what is held need not be read again
  await expect(target.commit(items(10, 20), { from: 10, to: 20 })).rejects.toThrow(StoreAway);
  setAway(false);
  await target.commit(items(10, 20), { from: 10, to: 20 });
  expect(await offsetsIn(archive)).toHaveLength(20);
});

test("many partitions share the memory: those that waited longest are stored first", async () => {
  const { archive, target, clock } = opened();
  for (let n = 0; n < 4; n += 1) {
    clock.nowMs += 1;
    await target.commit(items(0, 4), { from: 0, to: 4, partition: `iot-telemetry/${n}` });
  }
  const stored = await Promise.all([0, 1, 2, 3].map((n) => archive.progressIn(`iot-telemetry/${n}`)));
  expect(stored).toEqual([4, null, null, null]);
});

test("a partition that another process has taken is told, and goes on where that one stands", async () => {
  const { archive, target, clock, chore } = opened();
  const partition = "iot-telemetry/3";
  await target.commit(items(0, 4), { from: 0, to: 4, partition });
  await archive.write([], { from: 0, to: 2, partition });
  clock.nowMs += 60_000;
  await chore("files"); // finds it, and drops what it had
  await expect(target.commit(items(4, 6), { from: 4, to: 6, partition })).rejects.toThrow(StaleProgress);
  expect(await target.progressIn(partition)).toBe(2);
  await target.commit(items(2, 6), { from: 2, to: 6, partition });
  await target.close!();
  expect(await offsetsIn(archive)).toEqual([2, 3, 4, 5]);
});

test("whatever fails and whoever else writes, every reading is in the archive once", async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("take" as const), who: fc.nat(1), count: fc.integer({ min: 1, max: 7 }) }),
    fc.record({ kind: fc.constant("chore" as const), who: fc.nat(1) }),
    fc.record({ kind: fc.constant("away" as const), who: fc.nat(1), away: fc.boolean() }),
    fc.record({ kind: fc.constant("begin" as const), who: fc.nat(1), count: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ kind: fc.constant("restart" as const), who: fc.nat(1) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const archive = openMemoryArchive();
      const sides = [opened({}, archive), opened({}, archive)];
      const at: (number | null)[] = [null, null];
      const take = async (who: number, count: number) => {
        const { target } = sides[who]!;
        try {
          at[who] ??= await target.progress();
          const from = at[who]!;
          await target.commit(items(from, from + count), { from, to: from + count });
          at[who] = from + count;
        } catch {
          at[who] = null;
        }
      };
      for (const one of steps) {
        const { target, clock, chore, setAway } = sides[one.who]!;
        if (one.kind === "take") await take(one.who, one.count);
        else if (one.kind === "away") setAway(one.away);
        else if (one.kind === "begin") {
          const from = (await archive.progressIn(""))!;
          if ((await archive.openIntent("")) === null) archive.open({ from, to: from + one.count });
        } else if (one.kind === "restart") {
          sides[one.who] = opened({}, archive);
          at[one.who] = null;
        } else {
          clock.nowMs += 60_000;
          await chore("files").catch(() => {});
        }
        expect(target.name).toBe("archive");
      }
      for (const { setAway } of sides) setAway(false);
      for (let tries = 0; tries < 6; tries += 1) await take(0, 10);
      await sides[0]!.target.close!();
      const stored = (await archive.progressIn(""))!;
      expect(stored).toBeGreaterThanOrEqual(10);
      expect(await offsetsIn(archive)).toEqual(Array.from({ length: stored }, (_, n) => n));
    }),
    { numRuns: 300 },
  );
});
