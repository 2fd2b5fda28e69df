import type { HistoryView } from "./view.ts";
import { zoneName } from "./zone.ts";
import type { Stretch } from "./zoom.ts";

export const formats = [
  { format: "csv", name: "CSV", note: "spreadsheets" },
  { format: "ndjson", name: "NDJSON", note: "a reading a line" },
  { format: "parquet", name: "Parquet", note: "pandas, DuckDB" },
  { format: "arrow", name: "Arrow", note: "typed, in memory" },
] as const;
export type Format = (typeof formats)[number]["format"];

/** The parameters of `GET /v1/query` for a stretch of a view; `maxPoints` is for each series. */
export function queryOf(view: HistoryView, stretch: Stretch, maxPoints: number): URLSearchParams {
  const query = seriesQuery(view, stretch);
  query.set("max_points", String(maxPoints));
  return query;
}

/** Where what is shown can be had as a file: every reading, or with `maxPoints` just the points of the chart. */
export function exportHref(view: HistoryView, stretch: Stretch, format: Format, maxPoints: number | null): string {
  const query = maxPoints === null ? seriesQuery(view, stretch) : queryOf(view, stretch, maxPoints);
  query.set("format", format);
  return `/v1/query?${query}`;
}

export const schedules = [
  { last: "hour", name: "Every hour", cron: "5 * * * *" },
  { last: "day", name: "Every day at 6", cron: "0 6 * * *" },
  { last: "week", name: "Every Monday at 6", cron: "0 6 * * 1" },
  { last: "month", name: "Every month, on the first", cron: "0 6 1 * *" },
] as const;
export type Schedule = (typeof schedules)[number]["last"];

/** The body of `POST /v1/exports`: the stretch shown, once; or the whole hour, day, … before each run. */
export function exportRequest(
  view: HistoryView,
  stretch: Stretch,
  format: Format,
  every: Schedule | null,
): Record<string, unknown> {
  const schedule = schedules.find(({ last }) => last === every);
  return {
    device_id: view.devices,
    metric: view.metrics,
    format,
    timezone: zoneName(view.zone),
    ...(schedule
      ? { last: schedule.last, schedule: schedule.cron }
      : { start: new Date(stretch.fromMs).toISOString(), end: new Date(stretch.toMs).toISOString() }),
  };
}

/** "history-temperature-20261121T120000Z.csv" */
export function exportName(view: HistoryView, stretch: Stretch, format: Format): string {
  const start = new Date(stretch.fromMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const what = view.metrics.length === 1 ? view.metrics[0]?.replace(/[^\w.-]/g, "_") : `${view.metrics.length}-metrics`;
  return `history-${what}-${start}.${format}`;
}

function seriesQuery(view: HistoryView, { fromMs, toMs }: Stretch): URLSearchParams {
  const query = new URLSearchParams();
  for (const device of view.devices) query.append("device_id", device);
  for (const metric of view.metrics) query.append("metric", metric);
  query.set("start", new Date(fromMs).toISOString());
  query.set("end", new Date(toMs).toISOString());
  query.set("timezone", zoneName(view.zone));
  return query;
}
