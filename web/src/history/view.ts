import { type ChartRange, rangeKey } from "../chart-range.ts";

/** What the history page shows. It lives in the address, so that a view can be kept and shared. */
export type HistoryView = {
  devices: string[];
  metrics: string[];
  range: ChartRange;
  zone: Zone;
  /** A panel for each metric, or one for all: with two metrics, an axis on each side. */
  layout: "panels" | "together";
  /** What the y axes hold: everything, or all but what is flagged. */
  scale: "all" | "unflagged";
  /** Lines that are not drawn, by `lineKey`. */
  hidden: string[];
};

export type Zone = "local" | "utc";

export const mostDevices = 10;
export const mostMetrics = 6;
export const firstRange: ChartRange = { kind: "last", ms: 86_400_000 };

/** Names a line. A device id holds no "/". */
export function lineKey(line: { device: string; metric: string }): string {
  return `${line.device}/${line.metric}`;
}

/** Anything that cannot be understood is left out: an address may be typed, cut or old. */
export function readView(search: string): HistoryView {
  const query = new URLSearchParams(search);
  return {
    devices: distinct(query.getAll("device")).slice(0, mostDevices),
    metrics: distinct(query.getAll("metric")).slice(0, mostMetrics),
    range: readRange(query),
    zone: query.get("zone") === "utc" ? "utc" : "local",
    layout: query.get("layout") === "together" ? "together" : "panels",
    scale: query.get("scale") === "unflagged" ? "unflagged" : "all",
    hidden: distinct(query.getAll("hide")),
  };
}

/** The view as a query; what is as usual is left out. */
export function viewQuery(view: HistoryView): URLSearchParams {
  const query = new URLSearchParams();
  for (const device of view.devices) query.append("device", device);
  for (const metric of view.metrics) query.append("metric", metric);
  setRange(query, view.range);
  if (view.zone === "utc") query.set("zone", "utc");
  if (view.layout === "together") query.set("layout", "together");
  if (view.scale === "unflagged") query.set("scale", "unflagged");
  for (const key of view.hidden) {
    if (view.devices.includes(key.slice(0, key.indexOf("/")))) query.append("hide", key);
  }
  return query;
}

/** The page's address for a view. */
export function historyHref(view: Partial<HistoryView>): string {
  const query = viewQuery({ ...readView(""), ...view }).toString();
  return query === "" ? "/history" : `/history?${query}`;
}

const units: [letter: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

/** A range in an address; the last day is as usual, and left out. */
export function setRange(query: URLSearchParams, range: ChartRange): void {
  if (range.kind === "all") query.set("last", "all");
  else if (range.kind === "fixed") {
    query.set("from", new Date(range.fromMs).toISOString());
    query.set("to", new Date(range.toMs).toISOString());
  } else if (rangeKey(range) !== rangeKey(firstRange)) query.set("last", spanText(range.ms));
}

export function readRange(query: URLSearchParams): ChartRange {
  const fromMs = Date.parse(query.get("from") ?? "");
  const toMs = Date.parse(query.get("to") ?? "");
  if (fromMs < toMs) return { kind: "fixed", fromMs, toMs };
  const last = query.get("last");
  if (last === "all") return { kind: "all" };
  const [, count, letter] = /^(\d{1,9})([smhd])$/.exec(last ?? "") ?? [];
  const unitMs = units.find(([name]) => name === letter)?.[1] ?? 0;
  return Number(count) > 0 ? { kind: "last", ms: Number(count) * unitMs } : firstRange;
}

/** 86400000 → "1d", 90000 → "90s": the largest unit that divides it. */
function spanText(ms: number): string {
  const [letter, unitMs] = units.find(([, unitMs]) => ms % unitMs === 0) ?? ["s", 1000];
  return `${Math.max(1, Math.round(ms / unitMs))}${letter}`;
}

function distinct(names: string[]): string[] {
  return [...new Set(names.filter((name) => name !== ""))];
}
