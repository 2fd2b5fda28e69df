import { api } from "../api.ts";
import { bounds } from "../chart-range.ts";
import type { QueryAnswer } from "../contract.ts";
import { queryOf } from "./query.ts";
import { tracesOf } from "./read-answer.ts";
import { extentOf, type Trace } from "./trace.ts";
import type { HistoryView } from "./view.ts";
import { leastMs, type Stretch } from "./zoom.ts";

export type Loaded = { answer: QueryAnswer; traces: Trace[]; stretch: Stretch };

/** "All" is asked for again while the data fills less than this share of the stretch that was asked for. */
const wellFilled = 0.3;
const mostRounds = 4;

/**
 * The traces of a view. For "all" the first answer, coarse, tells where the data is; then that stretch is asked for at
 * full resolution: recorded series are often years old, so this may take a few rounds.
 */
export async function loadTraces(
  view: HistoryView,
  maxPoints: number,
  nowMs: number,
  signal: AbortSignal,
): Promise<Loaded> {
  const ask = async (stretch: Stretch): Promise<Loaded> => {
    const answer = await api.query(queryOf(view, stretch, maxPoints), signal);
    return { answer, traces: tracesOf(answer), stretch };
  };
  let loaded = await ask(bounds(view.range, nowMs));
  if (view.range.kind !== "all") return loaded;
  for (let round = 1; round <= mostRounds; round++) {
    const found = extentOf(loaded.traces);
    if (!found) return loaded;
    const { fromMs, toMs } = loaded.stretch;
    const stretch = { fromMs: found.fromMs, toMs: Math.max(found.fromMs + leastMs, Math.min(found.toMs, nowMs)) };
    const filled = (stretch.toMs - stretch.fromMs) / (toMs - fromMs);
    const whole = loaded.traces.every(({ kind }) => kind === "raw");
    if (filled > wellFilled || whole || round === mostRounds) return { ...loaded, stretch };
    loaded = await ask(stretch);
  }
  return loaded;
}
