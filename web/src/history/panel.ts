import { formatWords } from "../format.ts";
import type { Trace } from "./trace.ts";
import { type HistoryView, lineKey } from "./view.ts";

/** A trace with how it is drawn. */
export type Line = {
  key: string;
  name: string;
  trace: Trace;
  /** Of the custom properties `--line-1` … `--line-10`. */
  colour: string;
  dashed: boolean;
  axis: "left" | "right";
  shown: boolean;
};

export type Panel = { key: string; title: string; axes: { left: string; right: string | null }; lines: Line[] };

/**
 * A panel for each metric, in which a device has one colour throughout: metrics have units of their own, and a common
 * axis would say nothing. Two metrics can be laid together, with an axis each; the second's lines are dashed.
 */
export function panelsOf(traces: readonly Trace[], view: HistoryView): Panel[] {
  const metrics = view.metrics.filter((metric) => traces.some((trace) => trace.metric === metric));
  if (view.layout === "together" && metrics.length === 2) {
    const [left = "", right = ""] = metrics;
    const lines = metrics.flatMap((metric, at) =>
      linesOf(traces, metric, view).map((line) => ({
        ...line,
        name: `${line.name} ${formatWords(metric)}`,
        dashed: at === 1,
        axis: at === 1 ? ("right" as const) : ("left" as const),
        colour: view.devices.length === 1 ? colourOf(at) : line.colour,
      })),
    );
    const title = `${formatWords(left)} and ${formatWords(right)}`;
    return [{ key: "together", title, axes: { left: formatWords(left), right: formatWords(right) }, lines }];
  }
  return metrics.map((metric) => ({
    key: metric,
    title: formatWords(metric),
    axes: { left: formatWords(metric), right: null },
    lines: linesOf(traces, metric, view),
  }));
}

function linesOf(traces: readonly Trace[], metric: string, view: HistoryView): Line[] {
  return view.devices.flatMap((device, at) => {
    const trace = traces.find((one) => one.device === device && one.metric === metric);
    if (!trace) return [];
    const key = lineKey(trace);
    const shown = !view.hidden.includes(key);
    return [{ key, name: device, trace, colour: colourOf(at), dashed: false, axis: "left" as const, shown }];
  });
}

export function colourOf(at: number): string {
  return `line-${(at % 10) + 1}`;
}
