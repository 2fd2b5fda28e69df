/**
 * A twin as text, for checkpoints, and back: `decodeTwin(encodeTwin(twin))` equals `twin` (−0 comes back as 0).
 * Written as JSON, whose escapes carry NUL and lone surrogates. A field that a later release adds to the twin has its
 * default in what an earlier one stored.
 */
import { windowFromJson, windowToJson } from "./dedup-window.ts";
import type { MetricState, ReadingValue } from "./telemetry.ts";
import { newTwin, type Twin } from "./twin.ts";

/** Value, its two times, count, and the statistics: in checkpoints by the million, names would be most of the bytes. */
type StoredMetric = [ReadingValue, number, number, number, StoredNumber, StoredNumber, StoredNumber, StoredNumber];
/** JSON has no Infinity and no NaN, but a sum of squares may overflow: those are stored by their names. */
type StoredNumber = number | string;

type StoredTwin = Omit<Twin, "dedup" | "metrics"> & {
  readonly dedup: ReturnType<typeof windowToJson>;
  readonly metrics: Record<string, StoredMetric>;
};

export function encodeTwin(twin: Twin): string {
  const metrics: Record<string, StoredMetric> = {};
  for (const [name, { value, tsMs, receivedAtMs, count, mean, m2, min, max }] of Object.entries(twin.metrics)) {
    metrics[name] = [value, tsMs, receivedAtMs, count, stored(mean), stored(m2), stored(min), stored(max)];
  }
  const whole: StoredTwin = { ...twin, dedup: windowToJson(twin.dedup), metrics };
  return JSON.stringify(whole);
}

/** The twin of a text that `encodeTwin` made. Throws `SyntaxError` on other text. */
export function decodeTwin(text: string): Twin {
  const { dedup, metrics, ...rest } = JSON.parse(text) as StoredTwin;
  const states: Record<string, MetricState> = {};
  for (const [name, [value, tsMs, receivedAtMs, count, mean, m2, min, max]] of Object.entries(metrics)) {
    const statistics = { mean: Number(mean), m2: Number(m2), min: Number(min), max: Number(max) };
    states[name] = { value, tsMs, receivedAtMs, count, ...statistics };
  }
  return { ...newTwin(rest.id), ...rest, dedup: windowFromJson(dedup), metrics: states };
}

function stored(value: number): StoredNumber {
  return Number.isFinite(value) ? value : String(value);
}
