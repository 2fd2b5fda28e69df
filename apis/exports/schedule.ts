/** When an export is due, and which range it is then. */
import { Cron } from "croner";
import { type IntervalSpec, intervalStart, intervalsOf } from "../../core/history/intervals.ts";
import type { ExportJob, ExportSpec } from "../../ports/exports/port.ts";

const dayMs = 86_400_000;
/** Runs that nobody was there for are made up for this long. */
const madeUpMs = 7 * dayMs;

const periods: Readonly<Record<"hour" | "day" | "week" | "month", IntervalSpec>> = {
  hour: { kind: "even", widthMs: 3_600_000 },
  day: { kind: "days", count: 1 },
  week: { kind: "days", count: 7 },
  month: { kind: "months", count: 1 },
};

/** The first time after `afterMs` that the expression names (five fields, in the time zone); null: never again. */
export function nextTime(schedule: string, timeZone: string, afterMs: number): number | null {
  return cronOf(schedule, timeZone).nextRun(new Date(afterMs))?.getTime() ?? null;
}

/** What is wrong with the expression, in words; null: nothing. */
export function scheduleFault(schedule: string): string | null {
  try {
    cronOf(schedule, "UTC");
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Nothing is run by it: it only tells times. */
function cronOf(schedule: string, timezone: string): Cron {
  return new Cron(schedule, { timezone, mode: "5-part", paused: true });
}

/** When a job is due after the run for `forMs`; null: it is finished. */
export function dueAfter(spec: ExportSpec, forMs: number, nowMs: number): ExportJob["due"] {
  if (spec.schedule === null) return null;
  const next = nextTime(spec.schedule, spec.timeZone, Math.max(forMs, nowMs - madeUpMs));
  return next === null ? null : { atMs: next, forMs: next };
}

/** The range of a run that is meant for `forMs`, epoch ms. */
export function rangeFor({ range, timeZone }: Pick<ExportSpec, "range" | "timeZone">, forMs: number) {
  if (range.kind === "fixed") return { fromMs: range.fromMs, toMs: range.toMs };
  const spec = periods[range.period];
  const end = (atMs: number) => intervalStart(atMs, intervalsOf(spec, timeZone, atMs, atMs + 1));
  const toMs = end(forMs);
  return { fromMs: end(toMs - 1), toMs };
}
