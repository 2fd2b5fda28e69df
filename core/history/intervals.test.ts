import fc from "fast-check";
import { expect, test } from "vitest";
import { type Intervals, intervalEnd, intervalStart, intervalsOf, parseInterval } from "./intervals.ts";
import { startOfDayNumber, UnknownTimeZone, zoneOf } from "./time-zone.ts";

const hour = 3_600_000;
const day = 24 * hour;
const days = { kind: "days", count: 1 } as const;

const startsOf = (intervals: Intervals) =>
  intervals.kind === "calendar" ? intervals.starts.map((start) => new Date(start).toISOString()) : [];

test("intervals are written as a number and a unit", () => {
  expect(parseInterval("5m")).toEqual({ kind: "even", widthMs: 300_000 });
  expect(parseInterval("250ms")).toEqual({ kind: "even", widthMs: 250 });
  expect(parseInterval("1d")).toEqual(days);
  expect(parseInterval("2w")).toEqual({ kind: "days", count: 14 });
  expect(parseInterval("1mo")).toEqual({ kind: "months", count: 1 });
  for (const text of ["", "5", "m", "0s", "-1h", "1.5h", "1y", "1 h", "999999999d"]) {
    expect(parseInterval(text), text).toBeNull();
  }
});

test("days begin at local midnight, and are 23 or 25 hours long where clocks change", () => {
  const spring = intervalsOf(days, "Europe/Berlin", Date.UTC(2026, 2, 28, 12), Date.UTC(2026, 2, 30, 12));
  expect(startsOf(spring)).toEqual([
    "2026-03-27T23:00:00.000Z",
    "2026-03-28T23:00:00.000Z",
    "2026-03-29T22:00:00.000Z",
    "2026-03-30T22:00:00.000Z",
  ]);
  const autumn = intervalsOf(days, "Europe/Berlin", Date.UTC(2026, 9, 25), Date.UTC(2026, 9, 25, 1));
  const startMs = intervalStart(Date.UTC(2026, 9, 25, 12), autumn);
  expect(intervalEnd(Date.UTC(2026, 9, 25, 12), autumn) - startMs).toBe(25 * hour);
});

test("a midnight that clocks skip is where the day begins after it", () => {
  // In Santiago clocks went from 24:00 on September 6, 2025 to 1:00.
  const zone = zoneOf("America/Santiago");
  expect(new Date(startOfDayNumber(zone, Date.UTC(2025, 8, 7) / day)).toISOString()).toBe("2025-09-07T04:00:00.000Z");
});

test("a date that a zone has skipped is no interval", () => {
  const samoa = intervalsOf(days, "Pacific/Apia", Date.UTC(2011, 11, 29), Date.UTC(2012, 0, 1));
  expect(startsOf(samoa)).toEqual([
    "2011-12-28T10:00:00.000Z",
    "2011-12-29T10:00:00.000Z",
    "2011-12-30T10:00:00.000Z",
    "2011-12-31T10:00:00.000Z",
    "2012-01-01T10:00:00.000Z",
  ]);
});

test("weeks begin on Mondays, months on their first", () => {
  const weeks = intervalsOf(
    { kind: "days", count: 7 },
    "Asia/Kathmandu",
    Date.UTC(2026, 10, 21),
    Date.UTC(2026, 10, 22),
  );
  expect(startsOf(weeks)).toEqual(["2026-11-15T18:15:00.000Z", "2026-11-22T18:15:00.000Z"]);
  const months = intervalsOf(
    { kind: "months", count: 1 },
    "America/New_York",
    Date.UTC(2026, 10, 1),
    Date.UTC(2026, 11, 2),
  );
  expect(startsOf(months)).toEqual([
    "2026-10-01T04:00:00.000Z",
    "2026-11-01T04:00:00.000Z",
    "2026-12-01T05:00:00.000Z",
    "2027-01-01T05:00:00.000Z",
  ]);
});

test("an unknown zone is named", () => {
  expect(() => zoneOf("Mars/Olympus")).toThrow(UnknownTimeZone);
  expect(() => zoneOf("Mars/Olympus")).toThrow('"Mars/Olympus"');
});

test("every moment is in exactly one interval, the same whatever range is asked for", () => {
  const zones = fc.constantFrom("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham");
  const specs = fc.constantFrom("90s", "1h", "1d", "3d", "1w", "1mo", "5mo").map((text) => parseInterval(text)!);
  const moment = fc.integer({ min: 0, max: Date.UTC(2037, 0) });
  fc.assert(
    fc.property(zones, specs, moment, fc.nat(90 * day), fc.nat(90 * day), (zone, spec, atMs, before, after) => {
      const one = intervalsOf(spec, zone, atMs, atMs + 1);
      const other = intervalsOf(spec, zone, Math.max(0, atMs - before), atMs + after + 1);
      const [start, end] = [intervalStart(atMs, one), intervalEnd(atMs, one)];
      expect(start).toBeLessThanOrEqual(atMs);
      expect(end).toBeGreaterThan(atMs);
      expect([intervalStart(atMs, other), intervalEnd(atMs, other)]).toEqual([start, end]);
      expect(intervalStart(end - 1, one)).toBe(start);
    }),
    { numRuns: 150 },
  );
});
