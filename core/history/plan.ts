/**
 * Which source answers which part of a range. Pure.
 *
 * P1 The segments tile the range: none overlaps another, none is missing, in order of time.
 * P2 Aggregates answer only for what they are complete for: whole minutes or hours inside the range, before
 *    `aggregatedToMs`, not dirty, not older than what is kept of them, and only where they fit the intervals asked for.
 *    Hours go before minutes, and readings take the ragged rest.
 * P3 Readings older than `rawFromMs` are in the archive, and late ones still in the time series: where there is an archive
 *    the segment "archive" means both of them, each reading once (`mergedReadings`).
 */
import { type Coverage, type Resolution, resolutionMs } from "./coverage.ts";

export type Source = "raw" | Resolution | "archive";
/** From `fromMs` (inclusive) to `toMs` (exclusive). */
export type Segment = { readonly fromMs: number; readonly toMs: number; readonly source: Source };

export type Want = {
  readonly fromMs: number;
  readonly toMs: number;
  /** Resolutions whose aggregates lie within one interval of the answer; none where readings are asked for. */
  readonly fitting: readonly Resolution[];
};

const coarsestFirst: readonly Resolution[] = ["hour", "minute"];

export function plan(want: Want, coverage: Coverage, hasArchive: boolean): Segment[] {
  const { fromMs, toMs } = want;
  const resolutions = coarsestFirst.filter((resolution) => want.fitting.includes(resolution));
  const segments: Segment[] = [];
  let atMs = fromMs;
  for (const clean of cleanParts(fromMs, Math.min(toMs, coverage.aggregatedToMs), coverage.dirtyHours)) {
    readings(atMs, clean.fromMs);
    aggregates(clean.fromMs, clean.toMs, resolutions);
    atMs = clean.toMs;
  }
  readings(atMs, toMs);
  return joined(segments);

  function aggregates(a: number, b: number, [resolution, ...finer]: readonly Resolution[]): void {
    if (resolution === undefined) {
      readings(a, b);
      return;
    }
    const step = resolutionMs[resolution];
    const first = Math.ceil(Math.max(a, coverage.aggregatesFromMs[resolution]) / step) * step;
    const end = Math.max(first, Math.floor(b / step) * step);
    if (first === end) {
      aggregates(a, b, finer);
      return;
    }
    aggregates(a, first, finer);
    add(first, end, resolution);
    aggregates(end, b, finer);
  }

  function readings(a: number, b: number): void {
    const borderMs = hasArchive ? Math.min(Math.max(coverage.rawFromMs, a), b) : a;
    add(a, borderMs, "archive");
    add(borderMs, b, "raw");
  }

  function add(a: number, b: number, source: Source): void {
    if (a < b) segments.push({ fromMs: a, toMs: b, source });
  }
}

/** What of [fromMs, toMs) is in none of the dirty hours. */
function cleanParts(fromMs: number, toMs: number, dirtyHours: readonly number[]): { fromMs: number; toMs: number }[] {
  const parts: { fromMs: number; toMs: number }[] = [];
  let atMs = fromMs;
  for (const hour of [...dirtyHours].sort((a, b) => a - b)) {
    if (hour + resolutionMs.hour <= atMs) continue;
    if (hour >= toMs) break;
    if (hour > atMs) parts.push({ fromMs: atMs, toMs: hour });
    atMs = hour + resolutionMs.hour;
  }
  if (atMs < toMs) parts.push({ fromMs: atMs, toMs });
  return parts;
}

function joined(segments: readonly Segment[]): Segment[] {
  const all: Segment[] = [];
  for (const segment of segments) {
    const before = all.at(-1);
    if (before?.source === segment.source) all[all.length - 1] = { ...before, toMs: segment.toMs };
    else all.push(segment);
  }
  return all;
}
