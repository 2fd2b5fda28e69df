import { formatNumber } from "../format.ts";

/** "99.97 %", never rounded up to what it is not: only all is "100 %". */
export function formatShare(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  const percent = value * 100;
  if (percent >= 100) return "100 %";
  if (percent > 99) return `${formatNumber(Math.min(99.99, Math.floor(percent * 100) / 100))} %`;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return `${formatNumber(Math.round(percent * 10) / 10)} %`;
}

/** How one should look at a share: well, worth a look, bad. */
export function toneOf(value: number | null): "online" | "flapping" | "bad" | undefined {
  if (value === null) return undefined;
  return value >= 0.99 ? "online" : value >= 0.95 ? "flapping" : "bad";
}

/** The lowest of the measures: where to look first. What was not judged is not bad. */
export function lowestOf(figures: { [name in "completeness" | "accuracy" | "timeliness"]: number | null }): number {
  return Math.min(figures.completeness ?? 1, figures.accuracy ?? 1, figures.timeliness ?? 1);
}
