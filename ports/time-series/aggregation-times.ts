/** When aggregates are made and how long raw readings have to stay for it. Pure; every implementation uses it. */
import { resolutionMs } from "../../core/history/coverage.ts";
import type { SeriesRetention } from "./port.ts";
import { startOfDay } from "./retention-days.ts";

/** An hour is aggregated when it has been over for so long: what is under way then is not late yet. */
const settleMs = 120_000;

/** The end of what can be aggregated: a whole hour. */
export function settledBefore(nowMs: number): number {
  return Math.floor((nowMs - settleMs) / resolutionMs.hour) * resolutionMs.hour;
}

export type RawBorders = {
  /** Whole days before are past for every device, epoch ms. */
  readonly allMs: number;
  /** The same for those of the types that keep their readings for the shortest time. */
  readonly shortestMs: number;
};

export function rawBorders(nowMs: number, { keepMs, keepMsOf }: SeriesRetention): RawBorders {
  const keeps = [keepMs, ...keepMsOf.values()];
  return { allMs: startOfDay(nowMs - Math.max(...keeps)), shortestMs: startOfDay(nowMs - Math.min(...keeps)) };
}

/** Until when aggregates are past: whole months, as their tables are. */
export function aggregatesPastBefore(nowMs: number, keepMs: number): number {
  return startOfMonth(nowMs - keepMs);
}

export function startOfMonth(atMs: number, add = 0): number {
  const date = new Date(atMs);
  // Where times are kept for ever, or longer than calendars go.
  if (Number.isNaN(date.getTime())) return Number.NEGATIVE_INFINITY;
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + add, 1);
}
