import type { ChartRange } from "../chart-range.ts";

/** Zooming and moving in time. A stretch is epoch ms, from before to. */
export type Stretch = { fromMs: number; toMs: number };

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** The shortest and longest stretch that is shown. */
export const leastMs = secondMs;
export const mostMs = 100 * 365 * dayMs;

export const presets: { name: string; words: string; range: ChartRange }[] = [
  { name: "5 min", words: "last 5 minutes", range: { kind: "last", ms: 5 * minuteMs } },
  { name: "1 h", words: "last hour", range: { kind: "last", ms: hourMs } },
  { name: "24 h", words: "last 24 hours", range: { kind: "last", ms: dayMs } },
  { name: "7 d", words: "last 7 days", range: { kind: "last", ms: 7 * dayMs } },
  { name: "30 d", words: "last 30 days", range: { kind: "last", ms: 30 * dayMs } },
  { name: "1 y", words: "last year", range: { kind: "last", ms: 365 * dayMs } },
  { name: "All", words: "everything there is", range: { kind: "all" } },
];

/** `factor` below 1 shows less time, above 1 more; the moment at `at` (0 left edge, 1 right edge) stays in its place. */
export function zoomed(shown: Stretch, factor: number, at: number, nowMs: number): ChartRange {
  const span = shown.toMs - shown.fromMs;
  const wanted = Math.min(mostMs, Math.max(leastMs, span * factor));
  const fromMs = shown.fromMs + (span - wanted) * at;
  return within({ fromMs, toMs: fromMs + wanted }, nowMs);
}

/** Moved by a share of what is shown: 0.5 is half a screen later. */
export function moved(shown: Stretch, share: number, nowMs: number): ChartRange {
  const by = (shown.toMs - shown.fromMs) * share;
  return within({ fromMs: shown.fromMs + by, toMs: shown.toMs + by }, nowMs);
}

/** A stretch that was dragged, in whole ms and no shorter than one second. */
export function chosen(fromMs: number, toMs: number, nowMs: number): ChartRange {
  const [low, high] = fromMs < toMs ? [fromMs, toMs] : [toMs, fromMs];
  const short = Math.max(0, leastMs - (high - low)) / 2;
  return within({ fromMs: low - short, toMs: high + short }, nowMs);
}

/** What a key does to the stretch: as in maps, + and − zoom, arrows move, Home shows everything, End follows now. */
export function ofKey(key: string, shown: Stretch, nowMs: number): ChartRange | "back" | null {
  switch (key) {
    case "+":
    case "=":
      return zoomed(shown, 0.5, 0.5, nowMs);
    case "-":
    case "_":
      return zoomed(shown, 2, 0.5, nowMs);
    case "ArrowLeft":
      return moved(shown, -0.25, nowMs);
    case "ArrowRight":
      return moved(shown, 0.25, nowMs);
    case "Home":
      return { kind: "all" };
    case "End":
      return { kind: "last", ms: Math.round(shown.toMs - shown.fromMs) };
    case "Escape":
    case "Backspace":
      return "back";
    default:
      return null;
  }
}

/** How often a range that moves on is asked for again, ms: about when a pixel's worth of new time has gone by. */
export function refreshMs(spanMs: number): number {
  return Math.min(60_000, Math.max(2_000, spanMs / 500));
}

/** Whole ms, not before the epoch and, as nothing is there, not all after now. */
function within({ fromMs, toMs }: Stretch, nowMs: number): ChartRange {
  const span = Math.round(toMs - fromMs);
  const latest = nowMs + span * 0.1;
  const end = Math.round(Math.min(Math.max(toMs, span), Math.max(latest, span)));
  return { kind: "fixed", fromMs: end - span, toMs: end };
}
