import { describe, expect, onTestFinished, test } from "vitest";
import { type SeriesRow, StaleProgress } from "../time-series/port.ts";
import type { Analytics } from "./port.ts";

const noonMs = Date.UTC(2026, 10, 21, 12);
const minuteMs = 60_000;
const hourMs = 3_600_000;
const everything = { device: "pump-4", metric: "temperature", fromMs: 0, toMs: Date.UTC(2100, 0) };
const minutes = { widthMs: minuteMs, originMs: 0 };

function aRow(changes: Partial<SeriesRow> = {}): SeriesRow {
  return {
    ...{ device: "pump-4", tsMs: noonMs, metric: "temperature", value: 21.5, tags: null, receivedAtMs: noonMs },
    ...{ offset: 0, flags: null, type: "default", region: "" },
    ...changes,
  };
}

export function analyticsContract(
  name: string,
  open: () => Promise<{ readonly port: Analytics; readonly close: () => Promise<void> }>,
): void {
  describe(`${name} as Analytics`, () => {
    async function opened(): Promise<Analytics> {
      const { port, close } = await open();
      onTestFinished(close);
      return port;
    }

    test("gives readings back as they were, oldest first, the newest of them when asked for less", async () => {
      const analytics = await opened();
      const values = [0.1, -1.5e300, true, false, "eco", 'it\'s \\ a "tab"\tand\na line', 1 / 3];
      const rows = values.map((value, index) =>
        aRow({ value, tsMs: noonMs + index, offset: index, flags: index === 1 ? ["range", "jump"] : null }),
      );
      await analytics.write([...rows].reverse(), { from: 0, to: 10 });
      const readings = rows.map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags }));
      expect(await analytics.readings(everything, 100)).toEqual(readings);
      expect(await analytics.readings(everything, 2)).toEqual(readings.slice(-2));
      expect(await analytics.readings({ ...everything, fromMs: noonMs + 2, toMs: noonMs + 4 }, 100)).toEqual(
        readings.slice(2, 4),
      );
    });

    test("holds a reading once that is written again, in other batches too", async () => {
      const analytics = await opened();
      const rows = Array.from({ length: 10 }, (_, index) =>
        aRow({ offset: index, tsMs: noonMs + index, value: index }),
      );
      await analytics.write(rows, { from: 0, to: 10, partition: "iot-telemetry/1" });
      await analytics.refresh();
      await analytics.write(rows, { from: 0, to: 10, partition: "iot-telemetry/2" });
      await analytics.write(rows.slice(5), { from: 10, to: 20, partition: "iot-telemetry/1" });
      await analytics.refresh();
      expect((await analytics.readings(everything, 100)).map(({ value }) => value)).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
      ]);
      expect((await analytics.buckets(everything, minutes)).map(({ count }) => count)).toEqual([10]);
      expect((await analytics.aggregated(everything, "minute", minutes)).map(({ count }) => count)).toEqual([10]);
    });

    test("keeps two readings of the same time apart by their offsets", async () => {
      const analytics = await opened();
      await analytics.write([aRow({ offset: 1 }), aRow({ offset: 2 })], { from: 0, to: 3 });
      expect((await analytics.readings(everything, 10)).map(({ offset }) => offset)).toEqual([1, 2]);
    });

    test("remembers where each partition stands, and refuses who stands elsewhere", async () => {
      const analytics = await opened();
      expect(await analytics.progressIn("")).toBeNull();
      await analytics.write([], { from: 40, to: 50, partition: "iot-telemetry/1" });
      await analytics.write([], { from: 50, to: 60, partition: "iot-telemetry/1" });
      await analytics.write([], { from: 0, to: 5 });
      expect(await analytics.progressIn("iot-telemetry/1")).toBe(60);
      expect(await analytics.progressIn("")).toBe(5);
      const stale = analytics.write([aRow()], { from: 50, to: 70, partition: "iot-telemetry/1" });
      await expect(stale).rejects.toThrow(StaleProgress);
      expect(await analytics.readings(everything, 10)).toEqual([]);
      await analytics.write([], { from: 60, to: 3, partition: "iot-telemetry/1" }); // a log that was made anew
      expect(await analytics.progressIn("iot-telemetry/1")).toBe(3);
    });

    test("aggregates numbers and booleans by minute and hour, with what was flagged", async () => {
      const analytics = await opened();
      const values = [1, 2, 3, 4, true, "text"];
      const rows = values.map((value, index) =>
        aRow({ value, offset: index, tsMs: noonMs + index * 20_000, flags: index === 0 ? ["range"] : null }),
      );
      await analytics.write(rows, { from: 0, to: 6 });
      expect(await analytics.aggregated(everything, "minute", minutes)).toEqual([]);
      await analytics.refresh();
      await analytics.refresh();
      const inMinutes = await analytics.aggregated(everything, "minute", minutes);
      expect(inMinutes).toEqual([
        { tsMs: noonMs, count: 3, mean: 2, m2: expect.closeTo(2, 9), min: 1, max: 3, flagged: 1 },
        { tsMs: noonMs + minuteMs, count: 2, mean: 2.5, m2: expect.closeTo(4.5, 9), min: 1, max: 4, flagged: 0 },
      ]);
      expect(await analytics.buckets(everything, minutes)).toEqual(inMinutes);
      const [hour] = await analytics.aggregated(everything, "hour", { widthMs: hourMs, originMs: 0 });
      expect(hour).toMatchObject({ tsMs: noonMs, count: 5, min: 1, max: 4, flagged: 1 });
      expect(hour?.mean).toBeCloseTo(2.2, 9);
    });

    test("a late reading reaches its aggregate, weeks later too", async () => {
      const analytics = await opened();
      await analytics.write([aRow({ value: 1 })], { from: 0, to: 1 });
      await analytics.refresh();
      const late = { tsMs: noonMs + 1, receivedAtMs: noonMs + 20 * 24 * hourMs };
      await analytics.write([aRow({ ...late, value: 3, offset: 1 })], { from: 1, to: 2 });
      await analytics.write([aRow({ ...late, value: 5, offset: 2 })], { from: 2, to: 3 });
      await analytics.refresh();
      const [minute] = await analytics.aggregated(everything, "minute", minutes);
      expect(minute).toMatchObject({ count: 3, min: 1, max: 5 });
      expect(minute?.mean).toBeCloseTo(3, 9);
      expect(minute?.m2).toBeCloseTo(8, 9);
    });

    test("takes clocks that are very wrong", async () => {
      const analytics = await opened();
      const rows = [-5_000, Date.UTC(1901, 0), Date.UTC(2250, 0)].map((tsMs, offset) => aRow({ tsMs, offset }));
      await analytics.write(rows, { from: 0, to: 3 });
      await analytics.refresh();
      const always = { ...everything, fromMs: -8.64e15, toMs: 8.64e15 };
      expect((await analytics.readings(always, 10)).map(({ tsMs }) => tsMs)).toEqual([
        Date.UTC(1901, 0),
        -5_000,
        Date.UTC(2250, 0),
      ]);
      expect((await analytics.aggregated(always, "minute", minutes)).map(({ tsMs }) => tsMs)).toEqual([
        Date.UTC(1901, 0),
        -minuteMs,
        Date.UTC(2250, 0),
      ]);
    });
  });
}
