import type { QueryAnswer, SeriesSource } from "../contract.ts";
import { formatNumber } from "../format.ts";
import { formatSpan, formatWidth } from "./zone.ts";

const sourceWords: Record<SeriesSource, string> = {
  raw: "readings",
  minute: "1-minute aggregates",
  hour: "1-hour aggregates",
  archive: "the archive",
};

/**
 * What is shown and what it was made from: "1-minute averages, lowest to highest · 7 days · 2 series · from 1-hour
 * aggregates and readings".
 */
export function answerWords(answer: QueryAnswer, spanMs: number): string {
  const { series } = answer;
  if (series.length === 0) return "";
  const parts = [resolutionWords(answer), formatSpan(spanMs), count(series.length, "series", "series")];
  const sources = (["archive", "hour", "minute", "raw"] as const).filter((source) =>
    series.some(({ sources }) => sources.includes(source)),
  );
  if (sources.some((source) => source !== "raw")) parts.push(`from ${listed(sources.map((one) => sourceWords[one]))}`);
  const flagged = series.reduce((sum, one) => sum + one.flagged, 0);
  if (flagged > 0) parts.push(`${formatNumber(flagged)} flagged`);
  return parts.join(" · ");
}

function resolutionWords({ series }: QueryAnswer): string {
  const widths = new Set<string>();
  let readings = 0;
  let of = 0;
  for (const one of series) {
    if (one.kind === "intervals") {
      widths.add(one.interval_seconds === null ? "monthly" : formatWidth(one.interval_seconds * 1000));
    } else {
      readings += one.points.length;
      of += one.downsampling?.from ?? one.points.length;
    }
  }
  const words: string[] = [];
  if (widths.size > 0) words.push(`${listed([...widths])} averages with lowest and highest`);
  if (of > readings) words.push(`${formatNumber(readings)} of ${count(of, "reading", "readings")}`);
  else if (readings > 0 || widths.size === 0) words.push(count(readings, "reading", "readings"));
  return words.join(" and ");
}

/** "a", "a and b", "a, b and c". */
export function listed(words: string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function count(of: number, one: string, many: string): string {
  return `${formatNumber(of)} ${of === 1 ? one : many}`;
}
