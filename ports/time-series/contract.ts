import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { bucketGrid, bucketStart } from "../../core/history/buckets.ts";
import { aggregatesContract, withoutMinusZero } from "./aggregates-contract.ts";
import { type SeriesRange, type SeriesRetention, type SeriesRow, StaleProgress, type TimeSeries } from "./port.ts";

export type Opened<Port> = { readonly port: Port; close(): Promise<void> };

const day = 24 * 3_600_000;
const nowMs = Date.UTC(2025, 10, 21, 12);
const keepMs = 30 * day;

/** The promises of `TimeSeries` (S1–S4), for every implementation. */
export function timeSeriesContract(name: string, open: () => Promise<Opened<TimeSeries>>): void {
  async function opened(): Promise<TimeSeries> {
    const { port, close } = await open();
    onTestFinished(close);
    await port.maintain(nowMs, aRetention());
    return port;
  }

  aggregatesContract(name, open);

  describe(`${name} as TimeSeries`, () => {
    test("a new series stands at 0 and is empty", async () => {
      const port = await opened();
      expect(await port.progress()).toBe(0);
      expect([await pointsOf(port), await port.count(aRange(), 9)]).toEqual([[], 0]);
      expect(await port.metrics("pump-4")).toEqual([]);
      expect(await pointsOf(port, aRange({ metric: "\u0000" }))).toEqual([]);
    });

    test("readings come back with their values, oldest first", async () => {
      const port = await opened();
      const values = [21.5, -0.1, 5e-324, 1.7976931348623157e308, 0, true, false, "eco", "", 3];
      const rows = values.map((value, index) => aRow({ value, tsMs: nowMs - index, offset: index }));
      await port.write(rows, { from: 0, to: 10 });
      expect(await port.progress()).toBe(10);
      const points = values.map((value, index) => ({ tsMs: nowMs - index, value }));
      expect(await pointsOf(port)).toEqual(points.reverse());
    });

    test("a query gives one device, one metric, from inclusive to exclusive", async () => {
      const port = await opened();
      const rows = [
        aRow({ tsMs: nowMs - 1, value: 1 }),
        aRow({ tsMs: nowMs, value: 2, offset: 1 }),
        aRow({ tsMs: nowMs + 1, value: 3, offset: 2 }),
        aRow({ device: "pump-5", value: 4 }),
        aRow({ metric: "pressure", value: 5 }),
      ];
      await port.write(rows, { from: 0, to: 3 });
      const range = aRange({ fromMs: nowMs, toMs: nowMs + 1 });
      expect([await pointsOf(port, range), await port.count(range, 9)]).toEqual([[{ tsMs: nowMs, value: 2 }], 1]);
    });

    test("two readings of the same time are two rows, in the order of arrival", async () => {
      const port = await opened();
      await port.write([aRow({ value: 7, offset: 5 }), aRow({ value: 8, offset: 6 })], { from: 0, to: 7 });
      expect(await pointsOf(port)).toEqual([
        { tsMs: nowMs, value: 7 },
        { tsMs: nowMs, value: 8 },
      ]);
    });

    test("what is delivered twice is written once", async () => {
      const port = await opened();
      await port.write([aRow()], { from: 0, to: 1 });
      await expect(port.write([aRow()], { from: 0, to: 1 })).rejects.toBeInstanceOf(StaleProgress);
      await expect(port.write([aRow()], { from: 2, to: 3 })).rejects.toBeInstanceOf(StaleProgress);
      expect(await port.progress()).toBe(1);
      expect(await pointsOf(port)).toHaveLength(1);
    });

    test("of two writers at the same place one wins", async () => {
      const port = await opened();
      const outcomes = await Promise.allSettled([
        port.write([aRow({ value: 1 })], { from: 0, to: 1 }),
        port.write([aRow({ value: 2 })], { from: 0, to: 1 }),
      ]);
      expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(["fulfilled", "rejected"]);
      expect(await pointsOf(port)).toHaveLength(1);
    });

    test("each partition has a progress of its own, and a stale one harms no other", async () => {
      const port = await opened();
      const [one, two] = ["iot-telemetry/0", "iot-telemetry/1"];
      expect(await port.progressIn(one)).toBeNull();
      await Promise.all([
        port.write([aRow({ offset: 5 })], { from: 5, to: 6, partition: one }),
        port.write([aRow({ device: "pump-5", offset: 5 })], { from: 0, to: 6, partition: two }),
      ]);
      const again = port.write([aRow({ offset: 5 })], { from: 5, to: 6, partition: one });
      await expect(again).rejects.toBeInstanceOf(StaleProgress);
      await port.write([aRow({ device: "pump-5", offset: 6 })], { from: 6, to: 9, partition: two });
      expect([await port.progressIn(one), await port.progressIn(two), await port.progress()]).toEqual([6, 9, 0]);
      expect(await pointsOf(port)).toHaveLength(1);
      expect(await pointsOf(port, aRange({ device: "pump-5" }))).toHaveLength(2);
    });

    test("progress moves over records that hold no readings", async () => {
      const port = await opened();
      await port.write([], { from: 0, to: 40 });
      await port.write([aRow({ offset: 40 })], { from: 40, to: 41 });
      expect(await port.progress()).toBe(41);
    });

    test("any text comes back, only what is no Unicode text is replaced", async () => {
      const port = await opened();
      const texts = ["tab\tnewline\nback\\slash \\N \\.", "Grüße 😀", "nul \u0000", "half \ud83d"];
      const tags = { "a\u0000": 'quote " \u0000 \udc00', plain: "x" };
      const rows = texts.map((value, offset) => aRow({ value, offset, tags, metric: "größe" }));
      await port.write(rows, { from: 0, to: 4 });
      const points = await pointsOf(port, aRange({ metric: "größe" }));
      const storable = (text: unknown) => String(text).toWellFormed().replaceAll("\0", "\ufffd");
      expect(points.map(({ value }) => storable(value))).toEqual(texts.map(storable));
    });

    test("metrics are every name that the device has sent, sorted", async () => {
      const port = await opened();
      const rows = ["temperature", "humidity", "a", "temperature"].map((metric, offset) => aRow({ metric, offset }));
      await port.write([...rows, aRow({ device: "pump-5", metric: "other" })], { from: 0, to: 4 });
      expect(await port.metrics("pump-4")).toEqual(["a", "humidity", "temperature"]);
    });

    test("readings come in buckets of the width that was asked for", async () => {
      const port = await opened();
      const startMs = Date.UTC(2025, 10, 20);
      const rows = Array.from({ length: 1_440 }, (_, minute) =>
        aRow({ tsMs: startMs + minute * 60_000, value: minute, offset: minute }),
      );
      await port.write(rows, { from: 0, to: 1_440 });
      const grid = bucketGrid(startMs, startMs + day - 1, 24);
      expect(grid.widthMs).toBe(3_600_000);
      const buckets = await port.buckets(aRange({ fromMs: startMs, toMs: startMs + day }), grid);
      expect(buckets).toHaveLength(24);
      const m2 = (60 * (60 ** 2 - 1)) / 12;
      const second = { tsMs: startMs + 3_600_000, count: 60, mean: 89.5, min: 60, max: 119, flagged: 0 };
      expect(buckets[1]).toEqual({ ...second, m2: expect.closeTo(m2, 6) });
    });

    test("booleans are 0 and 1 in buckets, and strings have none", async () => {
      const port = await opened();
      const rows = [true, false, true, true, "broken"].map((value, offset) => aRow({ value, offset }));
      await port.write(rows, { from: 0, to: 5 });
      const buckets = await port.buckets(aRange(), bucketGrid(nowMs, nowMs, 1));
      expect(buckets).toEqual([expect.objectContaining({ count: 4, mean: 0.75, min: 0, max: 1 })]);
    });

    test("of many strings the newest come, and no buckets", async () => {
      const port = await opened();
      const rows = ["a", "b", "c"].map((value, offset) => aRow({ value, tsMs: nowMs + offset, offset }));
      await port.write(rows, { from: 0, to: 3 });
      expect((await port.readings(aRange(), 2)).map(({ value }) => value)).toEqual(["b", "c"]);
      expect(await port.buckets(aRange(), bucketGrid(nowMs, nowMs + 2, 2))).toEqual([]);
    });

    test("the average of the largest numbers is a number", async () => {
      const port = await opened();
      const rows = [1.5e308, 1.7e308, 1.6e308].map((value, offset) => aRow({ value, offset }));
      await port.write(rows, { from: 0, to: 3 });
      const [bucket, ...more] = await port.buckets(aRange(), bucketGrid(nowMs, nowMs, 1));
      expect([bucket!.mean / 1.6e308, more]).toEqual([expect.closeTo(1, 9), []]);
    });

    test("buckets hold every reading of their time, whatever is asked", async () => {
      const port = await opened();
      const reading = fc.record({
        tsMs: fc.oneof(
          fc.integer({ min: nowMs - 9 * day, max: nowMs + day }),
          fc.integer({ min: nowMs, max: nowMs + 1_000 }),
          fc.constantFrom(0, 4 * day - 1, 4 * day),
        ),
        value: fc.oneof(fc.double({ min: -1e6, max: 1e6, noNaN: true }).map(withoutMinusZero), fc.boolean()),
      });
      let from = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(reading, { minLength: 2, maxLength: 60 }),
          fc.integer({ min: 1, max: 20 }),
          async (readings, atMost) => {
            const metric = `m${from}`;
            const rows = readings.map((row, index) => aRow({ ...row, metric, offset: from + index }));
            await port.write(rows, { from, to: from + rows.length });
            from += rows.length;
            const range = aRange({ metric, fromMs: 0 });
            expect(await pointsOf(port, range)).toHaveLength(rows.length);
            const times = rows.map(({ tsMs }) => tsMs);
            const grid = bucketGrid(Math.min(...times), Math.max(...times), atMost);
            const buckets = await port.buckets(range, grid);
            expect(buckets.length).toBeLessThanOrEqual(atMost);
            const starts = new Set(times.map((tsMs) => bucketStart(tsMs, grid)));
            expect(buckets.map(({ tsMs }) => tsMs)).toEqual([...starts].sort((a, b) => a - b));
            for (const { tsMs, count, min, max, mean } of buckets) {
              const values = rows.filter((row) => bucketStart(row.tsMs, grid) === tsMs).map((row) => Number(row.value));
              expect([count, min, max]).toEqual([values.length, Math.min(...values), Math.max(...values)]);
              expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 5);
            }
          },
        ),
        { numRuns: 60 },
      );
    });

    test("history that was loaded late survives maintenance until its own time is over", async () => {
      const port = await opened();
      const tsMs = Date.UTC(2013, 6, 4);
      await port.write([aRow({ tsMs, receivedAtMs: nowMs })], { from: 0, to: 1 });
      const history = aRange({ fromMs: tsMs, toMs: tsMs + 1 });
      await port.maintain(nowMs + keepMs, aRetention());
      expect(await pointsOf(port, history)).toEqual([{ tsMs, value: 21.5 }]);
      await port.maintain(nowMs + keepMs + 1, aRetention());
      expect(await pointsOf(port, history)).toEqual([]);
    });

    test("a day is dropped when all of it is past retention, but not what arrived late for it", async () => {
      const port = await opened();
      const early = aRow({ tsMs: nowMs - 2 * day, receivedAtMs: nowMs - 2 * day, value: 1 });
      const late = aRow({ tsMs: nowMs - 2 * day, receivedAtMs: nowMs, value: 2, offset: 1 });
      await port.write([early, late], { from: 0, to: 2 });
      await port.maintain(nowMs + keepMs - 2 * day, aRetention());
      expect(await pointsOf(port)).toHaveLength(2);
      await port.maintain(nowMs + keepMs - day, aRetention());
      expect(await pointsOf(port)).toEqual([{ tsMs: nowMs - 2 * day, value: 2 }]);
      await port.maintain(nowMs + keepMs + 1, aRetention());
      expect(await pointsOf(port)).toEqual([]);
    });

    test("flags come back with their reading, and the newest readings when there are too many", async () => {
      const port = await opened();
      const flags = ["too-hot", 'quoted "\\', "größe"];
      await port.write([aRow({ flags }), aRow({ tsMs: nowMs + 1, offset: 1, value: "eco" })], { from: 0, to: 2 });
      const first = { tsMs: nowMs, offset: 0, value: 21.5, flags };
      const second = { tsMs: nowMs + 1, offset: 1, value: "eco", flags: null };
      expect(await port.readings(aRange(), 10)).toEqual([first, second]);
      expect(await port.readings(aRange(), 1)).toEqual([second]);
      expect([await port.count(aRange(), 10), await port.count(aRange(), 1)]).toEqual([2, 1]);
    });

    test("a batch with a row that cannot be stored is refused whole, and the row can be found", async () => {
      const port = await opened();
      const early = aRow({ tsMs: -8.64e15, offset: 1 });
      const rows = [aRow(), early, aRow({ tsMs: 8.64e15, offset: 2 })];
      await expect(port.write(rows, { from: 0, to: 3 })).rejects.toMatchObject({ code: "ROWS_REFUSED" });
      expect([await port.progress(), await port.count(aRange(), 9)]).toEqual([0, 0]);
      expect([...(await port.refusals(rows)).keys()]).toEqual([early]);
      await port.write([rows[0]!, rows[2]!], { from: 0, to: 3 });
      expect(await port.count(aRange(), 9)).toBe(1);
    });

    test("what is written again is there once, beside what was missing", async () => {
      const port = await opened();
      await port.write([aRow({ offset: 1 })], { from: 0, to: 2 });
      const rows = [0, 1, 2, 2].map((offset) => aRow({ offset, value: 9 }));
      expect(await port.writeAgain(rows)).toEqual({ added: 2 });
      expect(await port.writeAgain(rows)).toEqual({ added: 0 });
      const readings = await port.readings(aRange(), 10);
      expect(readings.map(({ offset, value }) => [offset, value])).toEqual([
        [0, 9],
        [1, 21.5],
        [2, 9],
      ]);
      // What a replay was quicker with is no trouble for the consumer that comes to it.
      await port.write([aRow({ offset: 2 }), aRow({ offset: 3 })], { from: 2, to: 4 });
      expect(await port.count(aRange(), 10)).toBe(4);
      expect(await port.progress()).toBe(4);
    });

    test("whoever has gone gets no answer", async () => {
      const port = await opened();
      await port.write([aRow()], { from: 0, to: 1 });
      const gone = AbortSignal.abort("gone");
      const grid = bucketGrid(nowMs, nowMs + 1, 1);
      const asked = [
        port.coverage({ ...aRange(), type: "default" }, gone),
        port.readings(aRange(), 9, gone),
        port.count(aRange(), 9, gone),
        port.buckets(aRange(), grid, gone),
        port.aggregated(aRange(), "hour", grid, gone),
        port.extent("pump-4", "temperature", gone),
        port.metrics("pump-4", gone),
      ];
      expect(await Promise.allSettled(asked)).toEqual(asked.map(() => ({ status: "rejected", reason: "gone" })));
      expect(await port.count(aRange(), 9, new AbortController().signal)).toBe(1);
    });

    test("readings written before their day had a partition stay", async () => {
      const port = await opened();
      const tsMs = nowMs + 10 * day;
      await port.write([aRow({ tsMs })], { from: 0, to: 1 });
      await port.maintain(nowMs + 9 * day, aRetention());
      await port.write([aRow({ tsMs, offset: 1 })], { from: 1, to: 2 });
      expect(await pointsOf(port)).toHaveLength(2);
    });
  });
}

/** Thirty days; aggregates for longer than any test. */
export function aRetention(retention: Partial<SeriesRetention> = {}): SeriesRetention {
  return {
    keepMs,
    keepMsOf: new Map(),
    keepAggregatesMs: { minute: 40 * 365 * day, hour: 80 * 365 * day },
    ...retention,
  };
}

/** A reading of pump-4's temperature at noon. */
export function aRow(row: Partial<SeriesRow> = {}): SeriesRow {
  return {
    device: "pump-4",
    tsMs: nowMs,
    metric: "temperature",
    value: 21.5,
    tags: null,
    receivedAtMs: nowMs,
    offset: 0,
    flags: null,
    type: "default",
    region: "",
    ...row,
  };
}

export function aRange(range: Partial<SeriesRange> = {}): SeriesRange {
  return {
    device: "pump-4",
    metric: "temperature",
    fromMs: nowMs - 400 * day,
    toMs: nowMs + 400 * day,
    ...range,
  };
}

/** What was measured: up to a thousand readings, without their offsets and flags. */
export async function pointsOf(series: Pick<TimeSeries, "readings">, range: SeriesRange = aRange()) {
  return (await series.readings(range, 1_000)).map(({ tsMs, value }) => ({ tsMs, value }));
}
