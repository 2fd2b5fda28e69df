/**
 * Intervals of an answer: even ones ("5m", "6h") count from an origin in UTC; those of days, weeks and months begin at
 * midnight of a time zone, so that a day is 23 or 25 hours long where clocks change. Pure; time zones are those of Intl.
 *
 * I1 An interval is named by its beginning, and intervals of the same kind are the same whatever range is asked for.
 */
import { type BucketGrid, bucketOriginMs, bucketStart } from "./buckets.ts";
import { type Resolution, resolutionMs } from "./coverage.ts";
import { startOfDayNumber, zoneOf } from "./time-zone.ts";

export type IntervalSpec =
  | { readonly kind: "even"; readonly widthMs: number }
  | { readonly kind: "days" | "months"; readonly count: number };

export type Intervals =
  | { readonly kind: "even"; readonly grid: BucketGrid }
  /** `starts` are sorted; the first is at or before the range asked for, the last at or after its end. */
  | { readonly kind: "calendar"; readonly starts: readonly number[]; readonly unitMs: number };

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const evenUnits: Readonly<Record<string, number>> = { ms: 1, s: second, m: minute, h: hour };
/** Intervals above this are no interval any more. */
const maxCount = 100_000;

/** "30s", "5m", "6h", "1d", "2w", "1mo"; null: it is no interval. */
export function parseInterval(text: string): IntervalSpec | null {
  const match = /^([1-9]\d{0,8})(ms|s|m|h|d|w|mo)$/.exec(text);
  if (match === null) return null;
  const [count, unit] = [Number(match[1]), match[2]!];
  const width = evenUnits[unit];
  if (width !== undefined) return { kind: "even", widthMs: count * width };
  if (count > maxCount) return null;
  if (unit === "mo") return { kind: "months", count };
  return { kind: "days", count: unit === "w" ? 7 * count : count };
}

/** Roughly how wide, ms. */
export function widthOf(spec: IntervalSpec): number {
  return spec.kind === "even" ? spec.widthMs : spec.count * (spec.kind === "days" ? day : 30 * day);
}

/** The intervals that cover [fromMs, toMs); the range has to be bounded by what `widthOf` allows. */
export function intervalsOf(spec: IntervalSpec, timeZone: string, fromMs: number, toMs: number): Intervals {
  if (spec.kind === "even") return { kind: "even", grid: { widthMs: spec.widthMs, originMs: bucketOriginMs } };
  const zone = zoneOf(timeZone);
  if (spec.kind === "days" && zone.isUtc) {
    return { kind: "even", grid: { widthMs: spec.count * day, originMs: bucketOriginMs } };
  }
  const starts: number[] = [];
  // A local date is at most a day from that of UTC, and where clocks turn back over midnight a date comes twice.
  for (let index = indexOf(fromMs - 2 * day); starts.length === 0 || starts.at(-1)! < toMs; index += 1) {
    const startMs = startOfDayNumber(zone, dayNumberOf(index));
    if (starts.length > 0 && startMs <= starts.at(-1)!) continue; // a date that a zone has skipped
    if (startMs <= fromMs) starts.length = 0;
    starts.push(startMs);
  }
  return { kind: "calendar", starts, unitMs: commonUnit(starts) };

  function indexOf(atMs: number): number {
    if (spec.kind === "days") return Math.floor((zone.dayNumber(atMs) - mondayNumber) / spec.count) - 1;
    const date = new Date(zone.dayNumber(atMs) * day);
    return Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / (spec as { count: number }).count) - 1;
  }

  function dayNumberOf(index: number): number {
    const { count } = spec as { count: number };
    return spec.kind === "days" ? mondayNumber + index * count : Date.UTC(1970, index * count - 12 * 1970) / day;
  }
}

/** 1970-01-05, days since 1970-01-01: weeks begin on Mondays. */
const mondayNumber = bucketOriginMs / day;

/** The beginning of the interval that holds `atMs`. */
export function intervalStart(atMs: number, intervals: Intervals): number {
  if (intervals.kind === "even") return bucketStart(atMs, intervals.grid);
  return intervals.starts[placeOf(atMs, intervals.starts)] ?? intervals.starts[0]!;
}

/** The beginning of the interval after the one that holds `atMs`. */
export function intervalEnd(atMs: number, intervals: Intervals): number {
  if (intervals.kind === "even") return bucketStart(atMs, intervals.grid) + intervals.grid.widthMs;
  return intervals.starts[placeOf(atMs, intervals.starts) + 1] ?? intervals.starts.at(-1)!;
}

/** Of the last start at or before `atMs`. */
function placeOf(atMs: number, starts: readonly number[]): number {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= atMs) low = middle;
    else high = middle;
  }
  return low;
}

/** An even grid, each bucket of which lies within one interval: what the time series can count in. */
export function nestedGrid(intervals: Intervals): BucketGrid {
  return intervals.kind === "even" ? intervals.grid : { widthMs: intervals.unitMs, originMs: 0 };
}

/** The resolutions each of whose aggregates lies within one interval. */
export function fittingResolutions(intervals: Intervals): Resolution[] {
  const { widthMs, originMs } = nestedGrid(intervals);
  return (["hour", "minute"] as const).filter((resolution) => {
    const step = resolutionMs[resolution];
    return widthMs % step === 0 && originMs % step === 0;
  });
}

/** The widest of these that divides all of them: zones are whole hours off UTC, or quarters, and long ago seconds. */
function commonUnit(starts: readonly number[]): number {
  return [day, hour, 15 * minute, minute, second].find((unit) => starts.every((start) => start % unit === 0)) ?? 1;
}
