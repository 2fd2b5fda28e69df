import type uPlot from "uplot";

/** The y range with some air; a constant is not blown up to fill it. */
export function withAir(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const air = high > low ? (high - low) * 0.1 : Math.max(0.5, Math.abs(high) * 0.05);
  return [low - air, high + air];
}

/**
 * Labels by the distance of the ticks, seconds, in 24-hour time: [least distance, label, and what is added where a
 * year, day or minute begins].
 */
export const timeLabels: (string | number | null)[][] = [
  [31_536_000, "{YYYY}", null, null, null, null, null, null, 1],
  [2_419_200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86_400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [0.001, "{HH}:{mm}:{ss}.{fff}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];
