import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Coverage } from "../../core/history/coverage.ts";
import { intervalStart, intervalsOf, parseInterval } from "../../core/history/intervals.ts";
import { byTime, mergedBuckets } from "../../core/history/merge.ts";
import type { StatsBucket } from "../../core/history/stats.ts";
import { openMemoryQueryCache } from "../../ports/query-cache/memory.ts";
import type { HistoryQuery } from "./query.ts";
import { type History, openHistory } from "./service.ts";
import { statistics } from "./sources.ts";
import { aWorld, type World, type WorldRow } from "./testing.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const t0 = Date.UTC(2026, 9, 24, 20);
const never = new AbortController().signal;

function historyOf(world: World, hasArchive = true): History {
  const fleet = { device: async () => null };
  return openHistory({
    series: world.series,
    archive: hasArchive ? world.archive : null,
    fleet,
    cache: openMemoryQueryCache(),
  });
}

const aQuery = (different: Partial<HistoryQuery> = {}): HistoryQuery => ({
  devices: ["pump-4"],
  metrics: ["temperature"],
  fromMs: t0 - 10 * day,
  toMs: t0 + 10 * day,
  aggregate: null,
  interval: null,
  timeZone: "UTC",
  maxPoints: 1_000,
  downsample: "auto",
  ...different,
});

const aRow = (tsMs: number, value: WorldRow["value"], offset = 0, more: Partial<WorldRow> = {}): WorldRow => ({
  ...{ tsMs, value, offset, flags: null },
  ...more,
});
const someRows = (count: number, everyMs: number) =>
  Array.from({ length: count }, (_, n) => aRow(t0 + n * everyMs, n, n));
const only = async (history: History, query: HistoryQuery) => (await history.query(query, never))[0]!;

describe("an answer", () => {
  test("has the readings where they are few enough, with their flags", async () => {
    const rows = [aRow(t0, 21.5), aRow(t0 + 1, 131, 1, { flags: ["range"] }), aRow(t0 + 2, "off", 2)];
    expect(await only(historyOf(aWorld(rows)), aQuery())).toEqual({
      ...{ device: "pump-4", metric: "temperature", kind: "raw", sources: ["raw"], downsampling: null, flagged: 1 },
      readings: rows,
    });
  });

  test("has intervals of a readable width where there are more, and says from how many readings", async () => {
    const found = await only(historyOf(aWorld(someRows(5_000, 1_000))), aQuery({ maxPoints: 100 }));
    expect(found).toMatchObject({
      kind: "intervals",
      widthMs: minute,
      downsampling: { method: "minmax", from: 5_000, to: 84 },
    });
    expect(found.kind === "intervals" && found.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(5_000);
  });

  test("leaves out intervals without readings", async () => {
    const rows = [aRow(t0, 1), aRow(t0 + 10 * minute, 2, 1)];
    const found = await only(historyOf(aWorld(rows)), aQuery({ interval: parseInterval("1m") }));
    expect(found.kind === "intervals" && found.buckets.map(({ tsMs }) => tsMs)).toEqual([t0, t0 + 10 * minute]);
  });

  test("can be chosen by LTTB, which keeps readings as they are", async () => {
    const found = await only(historyOf(aWorld(someRows(5_000, 1_000))), aQuery({ downsample: "lttb", maxPoints: 50 }));
    expect(found).toMatchObject({ kind: "raw", downsampling: { method: "lttb", from: 5_000, to: 50 } });
    expect(found.kind === "raw" && [found.readings[0]!.value, found.readings.at(-1)!.value]).toEqual([0, 4_999]);
  });

  test("has the newest where it is text", async () => {
    const rows = someRows(30, 1_000).map((row) => ({ ...row, value: `state ${row.offset}` }));
    const found = await only(historyOf(aWorld(rows)), aQuery({ maxPoints: 10 }));
    expect(found).toMatchObject({ kind: "raw", downsampling: { method: "newest", from: 30, to: 10 } });
    expect(found.kind === "raw" && found.readings[0]!.value).toBe("state 20");
  });

  test("is empty for what nobody has sent", async () => {
    const found = await only(historyOf(aWorld([])), aQuery({ interval: parseInterval("1h") }));
    expect(found).toMatchObject({ kind: "intervals", buckets: [], sources: [] });
    expect(await only(historyOf(aWorld([])), aQuery())).toMatchObject({ kind: "raw", readings: [], sources: [] });
  });

  test("comes from the archive where it is short and old, from aggregates where it is long", async () => {
    const world = aWorld(someRows(20 * 24, hour), { rawFromMs: t0 + 15 * day, aggregatedToMs: t0 + 19 * day });
    const history = historyOf(world);
    const short = await only(history, aQuery({ fromMs: t0 + 2 * day, toMs: t0 + 3 * day }));
    expect(short).toMatchObject({ kind: "raw", sources: ["archive"], readings: { length: 24 } });
    const long = await only(history, aQuery({ fromMs: t0, toMs: t0 + 20 * day, maxPoints: 300 }));
    expect(long).toMatchObject({ kind: "intervals", sources: ["hour", "raw"], flagged: 0 });
  });

  test("is no finer than what is left of readings that nobody has any more", async () => {
    const world = aWorld(someRows(300, minute), { rawFromMs: t0 + 4 * hour, aggregatedToMs: t0 + 4 * hour });
    const found = await only(historyOf(world, false), aQuery({ maxPoints: 10_000 }));
    expect(found).toMatchObject({ kind: "intervals", widthMs: minute, buckets: { length: 300 } });
  });

  test("says what to ask instead of too much", async () => {
    const history = historyOf(aWorld(someRows(3_000, 1_000)));
    const refused = async (different: Partial<HistoryQuery>) =>
      history.query(aQuery(different), never).then(
        () => "",
        (error: Error) => error.message,
      );
    expect(await refused({ downsample: "none" })).toContain("more than 1000 readings");
    expect(await refused({ devices: Array.from({ length: 101 }, (_, n) => `d${n}`) })).toContain("101 series");
    expect(await refused({ metrics: ["a", "b", "c"], devices: Array(10).fill("d"), maxPoints: 10_000 })).toContain(
      "max_points=6666",
    );
    expect(await refused({ interval: parseInterval("100ms") })).toContain("at least 1s");
    expect(await refused({ interval: parseInterval("1s"), downsample: "none" })).toContain("wider interval");
  });

  test("is not put together for somebody who has gone", async () => {
    const world = aWorld(someRows(3_000, 1_000));
    const gone = AbortSignal.abort(new Error("gone"));
    await expect(historyOf(world).query(aQuery(), gone)).rejects.toThrow("gone");
    expect(world.asked).toEqual([]);
  });

  test("is read again where its oldest readings were dropped meanwhile", async () => {
    const world = aWorld(someRows(100, minute).map((row) => ({ ...row, archived: true })));
    const count = world.series.count;
    Object.assign(world.series, {
      count: async (...of: Parameters<typeof count>) => {
        world.coverage = { ...world.coverage, rawFromMs: t0 + hour };
        return count(...of);
      },
    });
    expect(await only(historyOf(world), aQuery())).toMatchObject({
      sources: ["archive", "raw"],
      readings: { length: 100 },
    });
  });
});

describe("what is kept of answers", () => {
  const query = aQuery({ fromMs: t0 + 90_000, toMs: t0 + 9 * hour, interval: parseInterval("10m") });
  const worldOfDay = () => aWorld(someRows(600, minute), { rawFromMs: t0 + 3 * hour, aggregatedToMs: t0 + 8 * hour });

  test("is not asked for again, but for the ragged ends and the newest", async () => {
    const world = worldOfDay();
    const history = historyOf(world);
    const first = await only(history, query);
    world.asked.length = 0;
    expect(await only(history, query)).toEqual(first);
    expect(world.asked.sort()).toEqual(["archive", "buckets", "minute", "readings"]);
  });

  test("is asked for again when late readings have come for it", async () => {
    const world = worldOfDay();
    const history = historyOf(world);
    const before = await only(history, query);
    world.rows.push(aRow(t0 + 4 * hour, 1_000, 5_000, { late: true }));
    world.coverage = { ...world.coverage, dirtyHours: [t0 + 4 * hour], version: 2 };
    const after = await only(history, query);
    const largest = (found: typeof after) =>
      found.kind === "intervals" && Math.max(...found.buckets.map(({ max }) => max));
    expect([largest(before), largest(after)]).toEqual([539, 1_000]);
  });

  test("holds for readings of the archive too", async () => {
    const world = worldOfDay();
    const history = historyOf(world);
    const old = aQuery({ fromMs: t0, toMs: t0 + 2 * hour });
    const first = await only(history, old);
    world.asked.length = 0;
    expect(await only(history, old)).toEqual(first);
    expect(world.asked).toEqual([]);
  });
});

const wholeHour = fc.integer({ min: -30, max: 61 }).map((h) => t0 + h * hour);
const aTime = fc
  .record({
    // Now and then a range that is long: its ends are looked for first.
    days: fc.constantFrom(0, 0, 0, 20),
    hours: fc.integer({ min: -30, max: 60 }),
    minutes: fc.integer({ min: 0, max: 59 }),
    ms: fc.constantFrom(0, 0, 1, 29_999, 59_999),
  })
  .map(({ days, hours, minutes, ms }) => t0 + days * day + hours * hour + minutes * minute + ms);
const anyRow = fc.record({
  tsMs: aTime,
  value: fc.oneof(fc.integer({ min: -9, max: 9 }), fc.boolean(), fc.constantFrom("on", "off")),
  flags: fc.constantFrom(null, null, ["range"]),
  late: fc.boolean(),
  archived: fc.boolean(),
});
const anything = fc.record({
  rows: fc.array(anyRow, { maxLength: 60 }).map((rows) => rows.map((row, offset) => ({ ...row, offset })).sort(byTime)),
  rawFromMs: wholeHour,
  aggregatedToMs: wholeHour,
  aggregatesFrom: fc.tuple(wholeHour, wholeHour),
  dirtyHours: fc.uniqueArray(wholeHour, { maxLength: 6 }),
  range: fc.tuple(aTime, aTime).filter(([a, b]) => a !== b),
});

function coverageOf(of: typeof anything extends fc.Arbitrary<infer T> ? T : never): Partial<Coverage> {
  const { rawFromMs, aggregatedToMs, dirtyHours } = of;
  const [minuteFrom, hourFrom] = of.aggregatesFrom;
  return { rawFromMs, aggregatedToMs, dirtyHours, aggregatesFromMs: { minute: minuteFrom, hour: hourFrom } };
}

const rounded = (buckets: readonly StatsBucket[]) =>
  buckets.map(({ mean, m2, ...rest }) => ({ ...rest, mean: mean.toFixed(6), m2: m2.toFixed(4) }));

describe("whatever is where", () => {
  const specs = fc.constantFrom("7s", "1m", "30m", "1h", "6h", "1d", "1mo").map((text) => parseInterval(text)!);
  const zones = fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu");

  test("intervals are those of all readings at once, also when parts of them are kept from before", async () => {
    await fc.assert(
      fc.asyncProperty(anything, specs, zones, async (of, interval, timeZone) => {
        const [fromMs, toMs] = [Math.min(...of.range), Math.max(...of.range)];
        const history = historyOf(aWorld(of.rows, coverageOf(of)));
        const within = of.rows.filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs);
        const intervals = intervalsOf(interval, timeZone, fromMs, toMs);
        const expected = mergedBuckets([statistics(within)], (tsMs) => intervalStart(tsMs, intervals));
        const query = aQuery({ fromMs, toMs, interval, timeZone, maxPoints: 10_000 });
        for (let round = 0; round < 2; round += 1) {
          const found = await only(history, query).catch((error: Error) => error.message);
          if (typeof found === "string") expect(found).toContain("interval of at least");
          else expect(found.kind === "intervals" && rounded(found.buckets)).toEqual(rounded(expected));
        }
        const streamed: StatsBucket[] = [];
        for await (const batch of history.stream({ ...query }, never)) {
          if (batch.kind === "intervals") streamed.push(...batch.buckets);
        }
        expect(rounded(streamed)).toEqual(rounded(expected));
      }),
      { numRuns: 200 },
    );
  });

  test("readings come once each, in order, at once and as a stream", async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (of) => {
        const [fromMs, toMs] = [Math.min(...of.range), Math.max(...of.range)];
        const history = historyOf(aWorld(of.rows, coverageOf(of)));
        const expected = of.rows
          .filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs)
          .map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags }));
        for (let round = 0; round < 2; round += 1) {
          const found = await only(history, aQuery({ fromMs, toMs, downsample: "none" }));
          expect(found).toMatchObject({ kind: "raw", readings: expected });
        }
        const streamed: unknown[] = [];
        for await (const batch of history.stream(aQuery({ fromMs, toMs }), never)) {
          if (batch.kind === "raw") streamed.push(...batch.readings);
        }
        expect(streamed).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  test("no answer has more points than asked for, and none loses the least or the largest", async () => {
    await fc.assert(
      fc.asyncProperty(anything, fc.integer({ min: 1, max: 30 }), async (of, maxPoints) => {
        const numbers = of.rows.map((row) => ({
          ...row,
          value: Number(row.value === true || row.value === "on") + row.offset,
        }));
        const [fromMs, toMs] = [Math.min(...of.range), Math.max(...of.range)];
        const world = aWorld(numbers, {
          ...coverageOf(of),
          aggregatesFromMs: { minute: Number.NEGATIVE_INFINITY, hour: Number.NEGATIVE_INFINITY },
        });
        const found = await only(historyOf(world), aQuery({ fromMs, toMs, maxPoints }));
        const values = numbers.filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs).map(({ value }) => value);
        const points = found.kind === "raw" ? statistics(found.readings) : found.buckets;
        expect(points.length).toBeLessThanOrEqual(maxPoints);
        expect(points.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
        if (values.length === 0) return;
        expect(Math.min(...points.map(({ min }) => min))).toBe(Math.min(...values));
        expect(Math.max(...points.map(({ max }) => max))).toBe(Math.max(...values));
      }),
      { numRuns: 200 },
    );
  });
});

test("a stream of many readings goes through the time series in windows", async () => {
  const rows = Array.from({ length: 30_000 }, (_, n) => aRow(n < 20_000 ? t0 + (n >> 3) : t0 + n * 1_000, n, n));
  const world = aWorld(rows);
  let count = 0;
  let largest = 0;
  for await (const batch of historyOf(world).stream(aQuery({ fromMs: 0, toMs: t0 + 90 * day }), never)) {
    if (batch.kind !== "raw") continue;
    count += batch.readings.length;
    largest = Math.max(largest, batch.readings.length);
  }
  expect(count).toBe(30_000);
  expect(largest).toBeLessThanOrEqual(5_001);
  expect(world.asked.length).toBeLessThan(100);
});
