import { api } from "./api.ts";
import { extent } from "./chart-columns.ts";
import { bounds, type ChartRange } from "./chart-range.ts";
import type { History } from "./contract.ts";

/** More points than the chart has px across show nothing more. */
const maxPoints = 1000;
/** "All" is asked for again while the data fills less than this share of the stretch that was asked for. */
const wellFilled = 0.3;
const mostRounds = 4;

/**
 * A metric's history in a range. For "all" the first answer, coarse, tells where the data is; then that stretch is
 * asked for at full resolution. Recorded series are often years old, so this may take a few rounds.
 */
export async function loadHistory(
  device: string,
  metric: string,
  range: ChartRange,
  nowMs: number,
  signal: AbortSignal,
): Promise<History> {
  const ask = (fromMs: number, toMs: number) =>
    api.history(device, { metric, from: new Date(fromMs), to: new Date(toMs), maxPoints }, signal);
  let { fromMs, toMs } = bounds(range, nowMs);
  let history = await ask(fromMs, toMs);
  for (let round = 1; range.kind === "all" && history.kind === "buckets" && round < mostRounds; round++) {
    const found = extent(history);
    if (!found || found.toMs - found.fromMs > (toMs - fromMs) * wellFilled) break;
    fromMs = found.fromMs;
    toMs = Math.min(found.toMs, nowMs);
    history = await ask(fromMs, toMs);
  }
  return history;
}
