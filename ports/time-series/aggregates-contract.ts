import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { bucketStart } from "../../core/history/buckets.ts";
import { type Resolution, resolutionMs } from "../../core/history/coverage.ts";
import { deviation, merged, type StatsBucket, statsOf } from "../../core/history/stats.ts";
import { aRange, aRetention, aRow, type Opened } from "./contract.ts";
import type { SeriesRow, TimeSeries } from "./port.ts";

const { minute, hour } = resolutionMs;
const day = 24 * hour;
const nowMs = Date.UTC(2025, 10, 21, 12);

/** Aggregates, what is known of them, and retention (S3, S4), for every implementation. */
export function aggregatesContract(name: string, open: () => Promise<Opened<TimeSeries>>): void {
  async function opened(): Promise<TimeSeries> {
    const { port, close } = await open();
    onTestFinished(close);
    await port.maintain(nowMs, aRetention());
    return port;
  }
  const coverageOf = (port: TimeSeries, range = aRange()) => port.coverage({ ...range, type: "default" });

  describe(`${name}'s aggregates`, () => {
    test("of a new series nothing is aggregated, and all of it is raw", async () => {
      const port = await opened();
      const coverage = await coverageOf(port);
      expect(coverage).toMatchObject({ rawFromMs: -Infinity, aggregatedToMs: -Infinity, dirtyHours: [], version: 0 });
      expect(await port.aggregated(aRange(), "hour", hours)).toEqual([]);
      expect(await port.extent("pump-4", "temperature")).toBeNull();
    });

    test("whole hours that are over become minutes and hours, with what is flagged", async () => {
      const port = await opened();
      const rows = [
        aRow({ tsMs: nowMs - 3 * hour, value: 10 }),
        aRow({ tsMs: nowMs - 3 * hour + 59_999, value: 20, flags: ["too-hot"] }),
        aRow({ tsMs: nowMs - 3 * hour + 60_000, value: 60 }),
        aRow({ tsMs: nowMs - 3 * hour + 60_000, value: "broken", flags: ["type"] }),
        aRow({ tsMs: nowMs - 1, value: 5 }),
        aRow({ tsMs: nowMs, value: 6 }),
      ].map((row, offset) => ({ ...row, offset }));
      await port.write(rows, { from: 0, to: 6 });
      await port.refresh(nowMs + 10 * minute);
      expect((await coverageOf(port)).aggregatedToMs).toBe(nowMs);
      const [first, second, last, ...more] = await port.aggregated(aRange(), "minute", minutes);
      expect(more).toEqual([]);
      expect(first).toEqual({ tsMs: nowMs - 3 * hour, count: 2, mean: 15, m2: 50, min: 10, max: 20, flagged: 1 });
      expect(second).toMatchObject({ tsMs: nowMs - 3 * hour + minute, count: 1, mean: 60, flagged: 0 });
      expect(last).toMatchObject({ tsMs: nowMs - minute, count: 1, mean: 5 });
      const ofHours = await port.aggregated(aRange(), "hour", hours);
      expect(ofHours.map(({ tsMs, count, min, max }) => [tsMs, count, min, max])).toEqual([
        [nowMs - 3 * hour, 3, 10, 60],
        [nowMs - hour, 1, 5, 5],
      ]);
      expect(deviation(ofHours[0]!)).toBeCloseTo(21.602469, 6);
      expect(await port.extent("pump-4", "temperature")).toEqual({ firstMs: nowMs - 3 * hour, lastMs: nowMs });
    });

    test("aggregates come in buckets of any width, those that begin in the range", async () => {
      const port = await opened();
      const rows = Array.from({ length: 240 }, (_, n) =>
        aRow({ tsMs: nowMs - 4 * hour + n * minute, value: n, offset: n }),
      );
      await port.write(rows, { from: 0, to: 240 });
      await port.refresh(nowMs + hour);
      const range = aRange({ fromMs: nowMs - 4 * hour + 1, toMs: nowMs - hour });
      const buckets = await port.aggregated(range, "minute", { widthMs: 2 * hour, originMs: 0 });
      expect(buckets.map(({ count, mean }) => [count, mean])).toEqual([
        [119, 60],
        [60, 149.5],
      ]);
      expect(deviation(buckets[1]!)).toBeCloseTo(Math.sqrt((60 * 60 - 1) / 12), 9);
    });

    test("a late reading makes its hour dirty until the next refresh, and the version grow", async () => {
      const port = await opened();
      const tsMs = nowMs - 5 * hour + 30 * minute;
      await port.write([aRow({ tsMs, value: 1 })], { from: 0, to: 1 });
      await port.refresh(nowMs);
      const before = await coverageOf(port);
      await port.write([aRow({ tsMs: tsMs + 1, value: 3, offset: 1 })], { from: 1, to: 2 });
      const between = await coverageOf(port, aRange({ fromMs: tsMs + minute, toMs: tsMs + 2 * minute }));
      expect(between.dirtyHours).toEqual([nowMs - 5 * hour]);
      expect(between.version).toBeGreaterThan(before.version);
      expect((await coverageOf(port, aRange({ toMs: nowMs - 5 * hour }))).dirtyHours).toEqual([]);
      expect((await coverageOf(port, aRange({ metric: "humidity" }))).dirtyHours).toEqual([]);
      expect((await coverageOf(port, aRange({ device: "pump-5" }))).version).toBe(0);
      expect(await port.refresh(nowMs)).toBeGreaterThan(0);
      expect((await coverageOf(port)).dirtyHours).toEqual([]);
      const [ofHour] = await port.aggregated(aRange(), "hour", hours);
      expect(ofHour).toMatchObject({ count: 2, mean: 2, min: 1, max: 3 });
      expect(await port.refresh(nowMs)).toBe(0);
    });

    test("readings on time leave the version as it is", async () => {
      const port = await opened();
      await port.refresh(nowMs);
      await port.write([aRow()], { from: 0, to: 1 });
      expect(await coverageOf(port)).toMatchObject({ version: 0, dirtyHours: [] });
    });

    test("what is written again reaches its aggregate once", async () => {
      const port = await opened();
      const row = aRow({ tsMs: nowMs - 5 * hour, value: 4 });
      await port.write([row], { from: 0, to: 1 });
      await port.refresh(nowMs);
      await port.writeAgain([row, { ...row, offset: 1, value: 8 }]);
      await port.refresh(nowMs);
      expect(await port.aggregated(aRange(), "hour", hours)).toMatchObject([{ count: 2, mean: 6 }]);
    });

    test("when readings are gone their aggregates are not, and what still comes for them is added", async () => {
      const port = await opened();
      const tsMs = nowMs - 2 * day;
      await port.write([aRow({ tsMs, receivedAtMs: tsMs, value: 1 })], { from: 0, to: 1 });
      const laterMs = nowMs + 30 * day;
      await port.maintain(laterMs, aRetention());
      expect(await port.readings(aRange(), 10)).toEqual([]);
      const { rawFromMs, version } = await coverageOf(port);
      expect(rawFromMs).toBe(Date.UTC(2025, 10, 21));
      const late = [3, 5].map((value, n) => aRow({ tsMs: tsMs + n, value, receivedAtMs: laterMs, offset: n + 1 }));
      await port.write(late, { from: 1, to: 3 });
      const coverage = await coverageOf(port);
      expect(coverage.version).toBeGreaterThan(version);
      expect(coverage.dirtyHours).toEqual([]);
      await port.write([aRow({ tsMs: tsMs + 2, value: 7, receivedAtMs: laterMs, offset: 3 })], { from: 3, to: 4 });
      for (const resolution of ["minute", "hour"] as const) {
        const [only, ...more] = await port.aggregated(aRange(), resolution, hours);
        expect(more).toEqual([]);
        expect(only).toMatchObject({ count: 4, mean: 4, min: 1, max: 7 });
        expect(only!.m2).toBeCloseTo(20, 9);
      }
      // Whether these are counted already cannot be told any more.
      expect(await port.writeAgain([aRow({ tsMs, value: 1 })])).toEqual({ added: 0 });
      expect(await port.extent("pump-4", "temperature")).toMatchObject({ firstMs: tsMs });
    });

    test("aggregates go when their own time is over, minutes before hours", async () => {
      const port = await opened();
      const longAgoMs = nowMs - 100 * day;
      const rows = [aRow({ tsMs: longAgoMs, receivedAtMs: longAgoMs }), aRow({ offset: 1 })];
      await port.write(rows, { from: 0, to: 2 });
      const retention = aRetention({ keepAggregatesMs: { minute: 30 * day, hour: 300 * day } });
      await port.refresh(nowMs + day);
      await port.maintain(nowMs + day, retention);
      const { aggregatesFromMs } = await coverageOf(port);
      expect(aggregatesFromMs).toEqual({ minute: Date.UTC(2025, 9, 1), hour: Date.UTC(2025, 0, 1) });
      expect(await port.aggregated(aRange(), "minute", hours)).toHaveLength(1);
      expect(await port.aggregated(aRange(), "hour", hours)).toHaveLength(2);
    });

    test("the largest and the smallest numbers have aggregates, and buckets of them", async () => {
      const port = await opened();
      const values = [1.7976931348623157e308, 1.7e308, 1.7976931348623157e308, 3, 5e-324];
      const rows = values.map((value, n) => aRow({ tsMs: nowMs - 2 * hour + n * 20_000, value, offset: n }));
      const tiny = [5e-324, 1e-323, 3e-200].map((value, n) =>
        aRow({ tsMs: nowMs - 2 * hour + n * minute, metric: "tiny", value, offset: n }),
      );
      await port.write([...rows, ...tiny], { from: 0, to: 5 });
      await port.refresh(nowMs);
      const wide = { widthMs: 4 * hour, originMs: nowMs - 4 * hour };
      const answers = [
        await port.aggregated(aRange(), "minute", wide),
        await port.aggregated(aRange(), "hour", wide),
        await port.buckets(aRange(), wide),
      ];
      for (const [bucket] of answers) {
        expect(bucket).toMatchObject({ count: 5, min: 5e-324, max: 1.7976931348623157e308 });
        expect(bucket!.mean / 1.06e308).toBeCloseTo(1, 1);
      }
      for (const resolution of ["minute", "hour"] as const) {
        const [bucket] = await port.aggregated(aRange({ metric: "tiny" }), resolution, wide);
        expect(bucket).toMatchObject({ count: 3, max: 3e-200 });
        expect(bucket!.mean / 1e-200).toBeCloseTo(1, 9);
      }
    });

    test("aggregates, buckets and readings are those of everything that was written, whatever comes when", async () => {
      const spanMs = 2 * day;
      const reading = fc.record({
        // On time, late, very late; often the same time.
        agoMs: fc.oneof(fc.integer({ min: 0, max: 2 * hour }), fc.integer({ min: 0, max: 3 * day }), fc.constant(hour)),
        metric: fc.constantFrom("a", "b"),
        value: fc.oneof(
          fc.double({ min: -1e6, max: 1e6, noNaN: true }).map(withoutMinusZero),
          fc.boolean(),
          fc.constantFrom("x", "y"),
        ),
        flags: fc.constantFrom(null, ["f"]),
      });
      const action = fc.oneof(
        { weight: 5, arbitrary: fc.record({ write: fc.array(reading, { maxLength: 12 }) }) },
        { weight: 2, arbitrary: fc.record({ refresh: fc.integer({ min: 0, max: 3 * hour }) }) },
        { weight: 1, arbitrary: fc.record({ maintain: fc.integer({ min: 0, max: day }) }) },
        { weight: 1, arbitrary: fc.record({ again: fc.nat() }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 12 }), async (actions) => {
          const { port, close } = await open();
          try {
            let clockMs = nowMs;
            let offset = 0;
            const all: SeriesRow[] = [];
            const retention = aRetention({ keepMs: day });
            await port.maintain(clockMs, retention);
            for (const step of actions) {
              clockMs += 20 * minute;
              if ("write" in step) {
                const rows = step.write.map(({ agoMs, ...rest }, n) =>
                  aRow({ ...rest, tsMs: clockMs - agoMs, receivedAtMs: clockMs, offset: offset + n }),
                );
                await port.write(rows, { from: offset, to: offset + rows.length });
                offset += rows.length;
                all.push(...rows);
              } else if ("again" in step) await port.writeAgain(all.slice(0, step.again));
              else if ("refresh" in step) {
                clockMs += step.refresh;
                await port.refresh(clockMs);
              } else {
                clockMs += step.maintain;
                await port.maintain(clockMs, retention);
              }
            }
            await port.refresh(clockMs);
            for (const metric of ["a", "b"]) {
              const range = aRange({ metric, fromMs: nowMs - spanMs - 3 * day, toMs: clockMs + day });
              const { aggregatedToMs, rawFromMs, dirtyHours } = await coverageOf(port, range);
              expect(dirtyHours).toEqual([]);
              const ofMetric = all.filter((row) => row.metric === metric);
              for (const resolution of ["minute", "hour"] as const) {
                const expected = bucketsOf(
                  ofMetric.filter((row) => row.tsMs < aggregatedToMs),
                  resolution,
                );
                const grid = { widthMs: resolutionMs[resolution], originMs: 0 };
                same(await port.aggregated({ ...range, toMs: aggregatedToMs }, resolution, grid), expected);
              }
              const kept = ofMetric.filter((row) => row.tsMs >= rawFromMs);
              const raw = { ...range, fromMs: Math.max(range.fromMs, rawFromMs) };
              same(await port.buckets(raw, hours), bucketsOf(kept, "hour"));
              const inOrder = kept.sort((a, b) => a.tsMs - b.tsMs || a.offset - b.offset);
              expect(await port.readings(raw, 1_000)).toEqual(
                inOrder.map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags })),
              );
            }
          } finally {
            await close();
          }
        }),
        { numRuns: 15 },
      );
    }, 180_000);
  });
}

/** Of 0 and −0, which are equal, any may be the least. */
export function withoutMinusZero(value: number): number {
  return value + 0;
}

const hours = { widthMs: hour, originMs: 0 };
const minutes = { widthMs: minute, originMs: 0 };

/** The plain reference. */
function bucketsOf(rows: readonly SeriesRow[], resolution: Resolution): StatsBucket[] {
  const grid = { widthMs: resolutionMs[resolution], originMs: 0 };
  const found = new Map<number, StatsBucket>();
  for (const row of rows.filter(({ value }) => typeof value !== "string")) {
    const tsMs = bucketStart(row.tsMs, grid);
    const stats = statsOf(Number(row.value), row.flags !== null);
    const before = found.get(tsMs);
    found.set(tsMs, { ...(before === undefined ? stats : merged(before, stats)), tsMs });
  }
  return [...found.values()].sort((a, b) => a.tsMs - b.tsMs);
}

function same(found: readonly StatsBucket[], expected: readonly StatsBucket[]): void {
  const exact = ({ tsMs, count, min, max, flagged }: StatsBucket) => ({ tsMs, count, min, max, flagged });
  expect(found.map(exact)).toEqual(expected.map(exact));
  for (const [n, bucket] of found.entries()) {
    expect(bucket.mean).toBeCloseTo(expected[n]!.mean, 5);
    expect(deviation(bucket)).toBeCloseTo(deviation(expected[n]!), 3);
  }
}
