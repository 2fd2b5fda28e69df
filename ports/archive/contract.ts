import { describe, expect, onTestFinished, test } from "vitest";
import { type SeriesReading, type SeriesRow, StaleProgress } from "../time-series/port.ts";
import type { Archive } from "./port.ts";

export const noonMs = Date.UTC(2026, 10, 21, 12);
const dayMs = 86_400_000;

export function aRow(over: Partial<SeriesRow> = {}): SeriesRow {
  return {
    ...{ device: "pump-4", metric: "temperature", tsMs: noonMs, value: 21.5, offset: 0, receivedAtMs: noonMs + 40 },
    ...{ tags: null, flags: null, type: "default", region: "" },
    ...over,
  };
}

export async function readingsOf(archive: Archive, over: Partial<Parameters<Archive["readings"]>[0]> = {}) {
  const found: SeriesReading[] = [];
  const range = { device: "pump-4", metric: "temperature", fromMs: noonMs - 9 * dayMs, toMs: noonMs + 9 * dayMs };
  for await (const batch of archive.readings({ ...range, ...over })) found.push(...batch);
  return found;
}

/** The promises of `Archive` (port.ts) as tests. */
export function archiveContract(name: string, open: () => Promise<{ archive: Archive; close(): Promise<void> }>): void {
  async function opened(): Promise<Archive> {
    const { archive, close } = await open();
    onTestFinished(close);
    return archive;
  }

  describe(`${name} as Archive`, () => {
    test("a new archive is empty, stands at 0 in the embedded log, and nowhere in a partition", async () => {
      const archive = await opened();
      expect(await archive.progressIn("")).toBe(0);
      expect(await archive.progressIn("iot-telemetry/3")).toBeNull();
      expect(await archive.openIntent("")).toBeNull();
      expect(await archive.metrics("pump-4")).toEqual([]);
      expect(await archive.files({ fromMs: 0, toMs: noonMs })).toEqual([]);
      expect(await readingsOf(archive)).toEqual([]);
      await archive.writeManifest();
      expect(await archive.compact(noonMs)).toEqual({ merged: 0, deleted: 0 });
    });

    test("readings come back with their values and flags, by time and offset, of the range only", async () => {
      const archive = await opened();
      const values = [21.5, -0.1, 5e-324, 0, true, false, "eco", "", "ä\u{1f600}"];
      const rows = values.map((value, index) =>
        aRow({ value, offset: index, tsMs: noonMs - index, flags: index % 2 === 0 ? null : ["range", "clock,skew"] }),
      );
      const others = [aRow({ metric: "humidity", value: 4 }), aRow({ device: "pump-40" }), aRow({ device: "pump" })];
      const files = await archive.write([...rows, ...others], { from: 0, to: 20 });
      expect(files.map((file) => file.rows)).toEqual([12]);
      expect(await archive.progressIn("")).toBe(20);
      const expected = rows.map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags })).reverse();
      expect(await readingsOf(archive)).toEqual(expected);
      const range = { fromMs: noonMs - 3, toMs: noonMs - 1 };
      expect((await readingsOf(archive, range)).map(({ offset }) => offset)).toEqual([3, 2]);
      expect(await archive.metrics("pump-4")).toEqual(["humidity", "temperature"]);
    });

    test("files are of days, and are listed for the days that a range touches", async () => {
      const archive = await opened();
      const days = [0, -1, -3].map((day, offset) => aRow({ tsMs: noonMs + day * dayMs, offset }));
      await archive.write(days, { from: 0, to: 3 });
      const all = await archive.files({ fromMs: noonMs - 9 * dayMs, toMs: noonMs + dayMs });
      expect(all.map((file) => (file.dayMs - (noonMs - dayMs / 2)) / dayMs)).toEqual([-3, -1, 0]);
      expect(all[0]?.key).toMatch(/^telemetry\/year=2026\/month=11\/day=18\//);
      expect(all[0]).toMatchObject({
        rows: 1,
        firstDevice: "pump-4",
        lastDevice: "pump-4",
        firstTsMs: noonMs - 3 * dayMs,
      });
      expect((await readingsOf(archive)).map(({ offset }) => offset)).toEqual([2, 1, 0]);
    });

    test("what is delivered twice is written once, in each partition for itself", async () => {
      const archive = await opened();
      const there = { from: 70, to: 71, partition: "iot-telemetry/3" };
      await archive.write([aRow({ offset: 70 })], there);
      await expect(archive.write([aRow({ offset: 70 })], there)).rejects.toThrow(StaleProgress);
      await archive.write([aRow({ device: "pump-5", offset: 70 })], { ...there, partition: "iot-telemetry/4" });
      await archive.write([], { ...there, from: 71, to: 90 });
      expect(await archive.progressIn("iot-telemetry/3")).toBe(90);
      expect(await archive.progressIn("iot-telemetry/4")).toBe(71);
      expect(await readingsOf(archive)).toHaveLength(1);
    });

    test("of two writers at the same place one wins", async () => {
      const archive = await opened();
      const outcomes = await Promise.allSettled([
        archive.write([aRow({ value: 1 })], { from: 0, to: 1 }),
        archive.write([aRow({ value: 1 })], { from: 0, to: 1 }),
      ]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      expect(await readingsOf(archive)).toHaveLength(1);
    });

    test("what is written again adds only what is not there", async () => {
      const archive = await opened();
      const rows = [0, 1, 2].map((offset) => aRow({ offset, tsMs: noonMs + offset }));
      await archive.write(rows.slice(0, 2), { from: 0, to: 3 });
      expect(await archive.writeAgain([...rows, ...rows])).toEqual({ added: 1 });
      expect(await archive.writeAgain(rows)).toEqual({ added: 0 });
      expect((await readingsOf(archive)).map(({ offset }) => offset)).toEqual([0, 1, 2]);
    });

    test("days that are past retention are gone, and no other", async () => {
      const archive = await opened();
      const rows = [0, -1, -3].map((day, offset) => aRow({ tsMs: noonMs + day * dayMs, offset }));
      await archive.write(rows, { from: 0, to: 3 });
      expect(await archive.expire(noonMs - dayMs, noonMs)).toBe(1);
      expect((await readingsOf(archive)).map(({ offset }) => offset)).toEqual([1, 0]);
    });
  });
}
