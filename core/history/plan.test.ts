import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bucketStart } from "./buckets.ts";
import { type Coverage, type Resolution, resolutionMs } from "./coverage.ts";
import { fittingResolutions, type IntervalSpec, intervalStart, intervalsOf, nestedGrid } from "./intervals.ts";
import { byTime, mergedBuckets, mergedReadings } from "./merge.ts";
import { plan, type Segment } from "./plan.ts";
import { merged, type StatsBucket, statsOf } from "./stats.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const t0 = Date.UTC(2026, 9, 24, 20);

const aCoverage = (different: Partial<Coverage> = {}): Coverage => ({
  rawFromMs: t0 + 2 * hour,
  aggregatedToMs: t0 + 8 * hour,
  aggregatesFromMs: { minute: Number.NEGATIVE_INFINITY, hour: Number.NEGATIVE_INFINITY },
  dirtyHours: [],
  version: 1,
  ...different,
});

const shown = (segments: readonly Segment[]) =>
  segments.map(({ fromMs, toMs, source }) => `${(fromMs - t0) / minute}-${(toMs - t0) / minute} ${source}`);

describe("a plan", () => {
  test("takes hours in the middle, minutes beside them, and readings at ragged ends", () => {
    const want = { fromMs: t0 + 90.5 * minute, toMs: t0 + 250.25 * minute, fitting: ["hour", "minute"] as const };
    expect(shown(plan(want, aCoverage({ rawFromMs: 0 }), false))).toEqual([
      "90.5-91 raw",
      "91-120 minute",
      "120-240 hour",
      "240-250 minute",
      "250-250.25 raw",
    ]);
  });

  test("takes readings for dirty hours and for what is not aggregated yet", () => {
    const want = { fromMs: t0, toMs: t0 + 9 * hour, fitting: ["hour", "minute"] as const };
    const coverage = aCoverage({ dirtyHours: [t0 + 4 * hour, t0 + 3 * hour, t0 + 30 * hour] });
    expect(shown(plan(want, coverage, true))).toEqual(["0-180 hour", "180-300 raw", "300-480 hour", "480-540 raw"]);
  });

  test("takes the archive for readings that the time series no longer has", () => {
    const want = { fromMs: t0, toMs: t0 + 3 * hour, fitting: [] };
    expect(shown(plan(want, aCoverage(), true))).toEqual(["0-120 archive", "120-180 raw"]);
    expect(shown(plan(want, aCoverage(), false))).toEqual(["0-180 raw"]);
  });

  test("takes no aggregates that are no longer kept", () => {
    const want = { fromMs: t0, toMs: t0 + 4 * hour, fitting: ["hour", "minute"] as const };
    const coverage = aCoverage({ aggregatesFromMs: { minute: t0 + 90 * minute, hour: t0 + 60 * minute } });
    expect(shown(plan(want, coverage, true))).toEqual(["0-60 archive", "60-240 hour"]);
  });

  test("gives nothing for an empty range", () => {
    expect(plan({ fromMs: t0, toMs: t0, fitting: ["hour"] }, aCoverage(), true)).toEqual([]);
  });
});

type Row = { tsMs: number; offset: number; value: number; late: boolean; archived: boolean };

/** Times near the borders of hours and minutes, where mistakes are. */
const aTime = fc
  .tuple(fc.integer({ min: -30, max: 60 }), fc.integer({ min: 0, max: 59 }), fc.constantFrom(0, 0, 1, 29_999, 59_999))
  .map(([h, m, ms]) => t0 + h * hour + m * minute + ms);
const aRow = fc.record({
  tsMs: aTime,
  value: fc.integer({ min: -100, max: 100 }),
  late: fc.boolean(),
  archived: fc.boolean(),
});
const wholeHour = fc.integer({ min: -30, max: 61 }).map((h) => t0 + h * hour);
const aSpec = fc.constantFrom<IntervalSpec>(
  { kind: "even", widthMs: 10_000 },
  { kind: "even", widthMs: minute },
  { kind: "even", widthMs: 7 * minute },
  { kind: "even", widthMs: hour },
  { kind: "even", widthMs: 6 * hour },
  { kind: "days", count: 1 },
  { kind: "months", count: 1 },
);

/** Where the rows of a world are, and the aggregates of what its refresh has seen. */
function sourcesOf(rows: readonly Row[], coverage: Coverage) {
  const kept = rows.filter((row) => row.tsMs >= coverage.rawFromMs || row.late);
  const archived = rows.filter((row) => row.tsMs < coverage.rawFromMs || row.archived);
  const isDirty = (tsMs: number) => coverage.dirtyHours.includes(Math.floor(tsMs / hour) * hour);
  const aggregates = (resolution: Resolution): StatsBucket[] =>
    bucketsOf(
      rows.filter(
        (row) =>
          row.tsMs < coverage.aggregatedToMs &&
          row.tsMs >= coverage.aggregatesFromMs[resolution] &&
          !(isDirty(row.tsMs) && row.late),
      ),
      (tsMs) => Math.floor(tsMs / resolutionMs[resolution]) * resolutionMs[resolution],
    );
  const within = <T extends { tsMs: number }>(all: readonly T[], { fromMs, toMs }: Segment) =>
    all.filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs);
  return {
    readings(segment: Segment): Row[] {
      const own = within(kept, segment);
      return segment.source === "archive" ? mergedReadings(within(archived, segment), own) : own;
    },
    aggregated: (segment: Segment, resolution: Resolution) => within(aggregates(resolution), segment),
  };
}

function bucketsOf(rows: readonly Row[], startOf: (tsMs: number) => number): StatsBucket[] {
  return mergedBuckets([rows.map(({ tsMs, value }) => ({ tsMs, ...statsOf(value, false) }))], startOf);
}

const rounded = (buckets: readonly StatsBucket[]) =>
  buckets.map(({ mean, m2, ...rest }) => ({ ...rest, mean: mean.toFixed(6), m2: m2.toFixed(4) }));

const aWorld = fc.record({
  rows: fc.array(aRow, { maxLength: 80 }).map((rows) => rows.map((row, offset) => ({ ...row, offset })).sort(byTime)),
  hasArchive: fc.boolean(),
  rawFromMs: wholeHour,
  aggregatedToMs: wholeHour,
  aggregatesFrom: fc.tuple(wholeHour, wholeHour),
  dirtyHours: fc.uniqueArray(wholeHour, { maxLength: 6 }),
  range: fc.tuple(aTime, aTime),
});

type World = typeof aWorld extends fc.Arbitrary<infer W> ? W : never;

/** Without an archive nothing is older than the readings of the time series, or the answer could not be whole. */
function coverageOf({ hasArchive, rawFromMs, aggregatedToMs, aggregatesFrom: [m, h], dirtyHours }: World): Coverage {
  return {
    rawFromMs: hasArchive ? rawFromMs : Number.NEGATIVE_INFINITY,
    aggregatedToMs,
    aggregatesFromMs: { minute: m, hour: h },
    dirtyHours,
    version: 1,
  };
}

describe("whatever the borders and the intervals are", () => {
  test("the segments tile the range", () => {
    fc.assert(
      fc.property(aWorld, fc.subarray(["minute", "hour"] as const), (world, fitting) => {
        const [fromMs, toMs] = [Math.min(...world.range), Math.max(...world.range)];
        const segments = plan({ fromMs, toMs, fitting }, coverageOf(world), world.hasArchive);
        const borders = [fromMs, ...segments.map((segment) => segment.toMs)];
        expect(segments.map((segment) => segment.fromMs)).toEqual(borders.slice(0, -1));
        expect(borders.at(-1)).toBe(toMs);
        for (const segment of segments) expect(segment.fromMs).toBeLessThan(segment.toMs);
      }),
    );
  });

  test("intervals put together from all sources are those of all readings at once", () => {
    fc.assert(
      fc.property(aWorld, aSpec, fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu"), (world, spec, zone) => {
        const [fromMs, toMs] = [Math.min(...world.range), Math.max(...world.range)];
        const coverage = coverageOf(world);
        const intervals = intervalsOf(spec, zone, fromMs, toMs);
        const startOf = (tsMs: number) => intervalStart(tsMs, intervals);
        const inGrid = (tsMs: number) => bucketStart(tsMs, nestedGrid(intervals));
        const sources = sourcesOf(world.rows, coverage);
        const segments = plan({ fromMs, toMs, fitting: fittingResolutions(intervals) }, coverage, world.hasArchive);
        const parts = segments.map((segment) =>
          segment.source === "raw" || segment.source === "archive"
            ? bucketsOf(sources.readings(segment), inGrid)
            : mergedBuckets([sources.aggregated(segment, segment.source)], inGrid),
        );
        const expected = bucketsOf(
          world.rows.filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs),
          startOf,
        );
        expect(rounded(mergedBuckets(parts, startOf))).toEqual(rounded(expected));
      }),
      { numRuns: 400 },
    );
  });

  test("readings come once each, in order, on both sides of each border", () => {
    fc.assert(
      fc.property(aWorld, (world) => {
        const [fromMs, toMs] = [Math.min(...world.range), Math.max(...world.range)];
        const coverage = coverageOf(world);
        const sources = sourcesOf(world.rows, coverage);
        const found = plan({ fromMs, toMs, fitting: [] }, coverage, world.hasArchive).flatMap(sources.readings);
        expect(found).toEqual(world.rows.filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs));
      }),
      { numRuns: 300 },
    );
  });
});

test("statistics of parts add up to those of the whole", () => {
  const values = [3, 1, 4, 1, 5, 9, 2, 6];
  const all = values.map((value) => statsOf(value, value > 4)).reduce(merged);
  expect(all).toMatchObject({ count: 8, min: 1, max: 9, flagged: 3 });
  expect(all.mean).toBeCloseTo(31 / 8);
  expect(all.m2 / 8).toBeCloseTo(6.609375);
});

test("a day is a bucket of its own in every zone", () => {
  const berlin = intervalsOf({ kind: "days", count: 1 }, "Europe/Berlin", t0, t0 + 3 * day);
  expect(fittingResolutions(berlin)).toEqual(["hour", "minute"]);
});
