/** What one query may ask for: refused with what to ask for instead, before anything is read. */
import { type IntervalSpec, widthOf } from "../../core/history/intervals.ts";
import { Problem } from "../problem.ts";
import type { HistoryQuery } from "./query.ts";

/** Points of a series, and intervals before they are downsampled. */
export const maxPoints = 10_000;
/** Devices × metrics. */
export const maxSeries = 100;
/** Of all series together. */
export const maxPointsOfAll = 200_000;
/** Readings that LTTB chooses from. */
export const maxChosenFrom = 250_000;
/** How much of what the time series no longer has is read as single readings where nobody asked for them. */
export const maxArchiveMs = 2 * 86_400_000;

/** Below the time after which a request is answered 503 anyway. */
const queryTimeoutMs = 25_000;

/**
 * Asks with a signal that aborts when the client has gone or the time is over, and what is asked ends with it.
 * @throws Problem "unavailable" when the time is over
 */
export async function inTime<T>(
  client: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
  timeoutMs = queryTimeoutMs,
): Promise<T> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    return await ask(AbortSignal.any([client, late]));
  } catch (error) {
    throw late.aborted && !client.aborted ? tooLate(timeoutMs) : error;
  }
}

function tooLate(timeoutMs: number): Problem {
  return new Problem(
    "unavailable",
    `The query took more than ${timeoutMs / 1_000} s. ` +
      "Ask for fewer series, a wider interval or a shorter range; or make an export.",
  );
}

/** @throws Problem */
export function checkSize({ devices, metrics, maxPoints: points }: HistoryQuery): void {
  const series = devices.length * metrics.length;
  if (series > maxSeries) {
    throw tooMuch(
      `${devices.length} devices × ${metrics.length} metrics are ${series} series; one query takes ${maxSeries}. ` +
        "Ask for fewer at a time, or make an export (POST /v1/exports).",
    );
  }
  if (series * points > maxPointsOfAll) {
    throw tooMuch(
      `${series} series of up to ${points} points are more than the ${maxPointsOfAll} points of one query. ` +
        `Ask with max_points=${Math.floor(maxPointsOfAll / series)} or fewer.`,
    );
  }
}

/** @throws Problem */
export function checkIntervals(spec: IntervalSpec, firstMs: number, lastMs: number): void {
  const count = Math.ceil((lastMs - firstMs) / widthOf(spec));
  if (count <= maxPoints) return;
  const seconds = Math.ceil((lastMs - firstMs) / maxPoints / 1_000);
  throw tooMuch(
    `The range has ${count} intervals of that width; one query takes ${maxPoints}. ` +
      `Ask for a shorter range, or for an interval of at least ${seconds}s.`,
  );
}

export function tooManyReadings(atMost: number, instead: string): Problem {
  return tooMuch(`The range holds more than ${atMost} readings. ${instead}`);
}

function tooMuch(detail: string): Problem {
  return new Problem("query-too-large", detail);
}
