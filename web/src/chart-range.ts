/** What time a chart shows: up to now and moving on with it, everything there is, or a fixed stretch. Times are epoch ms. */
export type ChartRange =
  | { kind: "last"; ms: number }
  | { kind: "all" }
  | { kind: "fixed"; fromMs: number; toMs: number };

const hourMs = 3_600_000;

export const presets: { name: string; range: ChartRange }[] = [
  { name: "1 h", range: { kind: "last", ms: hourMs } },
  { name: "24 h", range: { kind: "last", ms: 24 * hourMs } },
  { name: "7 d", range: { kind: "last", ms: 7 * 24 * hourMs } },
  { name: "30 d", range: { kind: "last", ms: 30 * 24 * hourMs } },
  { name: "All", range: { kind: "all" } },
];

/** The stretch to ask for. "All" begins with the epoch; the answer tells where the data is. */
export function bounds(range: ChartRange, nowMs: number): { fromMs: number; toMs: number } {
  switch (range.kind) {
    case "last":
      return { fromMs: nowMs - range.ms, toMs: nowMs };
    case "all":
      return { fromMs: 0, toMs: nowMs };
    case "fixed":
      return { fromMs: range.fromMs, toMs: range.toMs };
  }
}

/** What to show first: the shortest preset that holds the newest reading; recorded series are years old. */
export function firstRange(newestMs: number, nowMs: number): ChartRange {
  const holding = presets.find(({ range }) => range.kind === "last" && nowMs - newestMs < range.ms * 0.9);
  return holding?.range ?? { kind: "all" };
}

/** The key under which a range is loaded, and by which it is told from others. */
export function rangeKey(range: ChartRange): string {
  if (range.kind === "last") return `last/${range.ms}`;
  return range.kind === "all" ? "all" : `${range.fromMs}/${range.toMs}`;
}
