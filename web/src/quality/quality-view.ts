import type { ChartRange } from "../chart-range.ts";
import { readRange, setRange } from "../history/view.ts";
import type { Stretch } from "../history/zoom.ts";

/** What the quality page shows. It lives in the address. */
export type QualityView = { range: ChartRange; type: string; region: string; rule: string };

export function readQualityView(search: string): QualityView {
  const query = new URLSearchParams(search);
  const range = readRange(query);
  return {
    // There is no beginning of everything to be found here.
    range: range.kind === "all" ? { kind: "last", ms: 365 * 86_400_000 } : range,
    type: query.get("type") ?? "",
    region: query.get("region") ?? "",
    rule: query.get("rule") ?? "",
  };
}

export function qualityHref(view: QualityView): string {
  const query = filterQuery(view);
  setRange(query, view.range);
  const text = query.toString();
  return text === "" ? "/quality" : `/quality?${text}`;
}

/** The parameters of `GET /v1/quality`. */
export function reportQuery(view: QualityView, { fromMs, toMs }: Stretch): URLSearchParams {
  const query = filterQuery(view);
  query.set("from", new Date(fromMs).toISOString());
  query.set("to", new Date(toMs).toISOString());
  return query;
}

function filterQuery({ type, region, rule }: QualityView): URLSearchParams {
  const query = new URLSearchParams();
  if (type !== "") query.set("type", type);
  if (region !== "") query.set("region", region);
  if (rule !== "") query.set("rule", rule);
  return query;
}
