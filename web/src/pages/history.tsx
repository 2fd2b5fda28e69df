import "../style/lists.css";
import "../style/device.css";
import "../style/history.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { api } from "../api.ts";
import { bounds, type ChartRange, rangeKey } from "../chart-range.ts";
import type { DeviceDetail } from "../contract.ts";
import { loadTraces } from "../history/load.ts";
import { panelsOf } from "../history/panel.ts";
import { type HistoryView, historyHref, readView } from "../history/view.ts";
import { answerWords } from "../history/words.ts";
import { refreshMs, type Stretch } from "../history/zoom.ts";
import { DevicePicker } from "../parts/device-picker.tsx";
import { ExportMenu } from "../parts/export-menu.tsx";
import { HistoryPanel } from "../parts/history-panel.tsx";
import { HistoryToolbar } from "../parts/history-toolbar.tsx";
import { MetricPicker } from "../parts/metric-picker.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { useTitle } from "../parts/use-title.ts";
import { useWidth } from "../parts/use-width.ts";
import { useResource } from "../use-resource.ts";

/** Several metrics of several devices over time, from years down to seconds. */
export function HistoryPage() {
  useTitle("History");
  const [, go] = useLocation();
  const view = readView(useSearch());
  const box = useRef<HTMLDivElement>(null);
  const maxPoints = pointsFor(useWidth(box));
  const [before, setBefore] = useState<ChartRange[]>([]);
  const devices = useResource(view.devices.length > 0 ? view.devices.join("/") : null, (signal) =>
    Promise.all(view.devices.map((id) => api.device(id, signal).catch(() => null))),
  );
  const known = view.devices.length > 0 && devices.data ? metricsOf(devices.data) : null;
  const change = (to: Partial<HistoryView>, replace = true) => go(historyHref({ ...view, ...to }), { replace });

  const asked = view.devices.length > 0 && view.metrics.length > 0 && maxPoints > 0;
  const key = `${view.devices.join("/")}|${view.metrics.join("/")}|${rangeKey(view.range)}|${view.zone}|${maxPoints}`;
  const loaded = useResource(asked ? key : null, (signal) => loadTraces(view, maxPoints, Date.now(), signal));
  const data = asked ? loaded.data : null;
  const stretch = stretchOf(view.range, data?.stretch);

  // A range that moves on is asked for again.
  const { loading, reload } = loaded;
  const spanMs = view.range.kind === "last" ? view.range.ms : null;
  useEffect(() => {
    if (!asked || loading || spanMs === null) return;
    const timer = setTimeout(() => document.visibilityState === "visible" && reload(), refreshMs(spanMs));
    return () => clearTimeout(timer);
  }, [asked, loading, spanMs, reload, data]);

  // Who has chosen a device sees something at once.
  const chose = useRef(false);
  useEffect(() => {
    const first = devices.data && known && view.metrics.length === 0 && !chose.current ? liveliest(devices.data) : null;
    if (first) change({ metrics: [first] });
  }, [devices.data]);

  const toRange = (range: ChartRange) => {
    if (rangeKey(range) === rangeKey(view.range)) return;
    setBefore([...before.slice(-50), view.range]);
    change({ range }, false);
  };
  const back = () => {
    const range = before.at(-1);
    if (!range) return;
    setBefore(before.slice(0, -1));
    change({ range });
  };
  const toggle = (line: string) =>
    change({ hidden: view.hidden.includes(line) ? view.hidden.filter((one) => one !== line) : [...view.hidden, line] });
  const panels = data ? panelsOf(data.traces, view) : [];
  return (
    <>
      <header class="page-head">
        <h1>History</h1>
        <p class="quiet" role="status">
          {data ? answerWords(data.answer, stretch.toMs - stretch.fromMs) : ""}
        </p>
        {asked && <ExportMenu view={view} stretch={stretch} maxPoints={maxPoints} />}
      </header>
      <section class="panel history-choice" aria-label="What is shown">
        <DevicePicker devices={view.devices} onChange={(devices) => change({ devices })} />
        {view.devices.length > 0 && (
          <MetricPicker
            metrics={view.metrics}
            known={known}
            devices={view.devices.length}
            together={view.metrics.length === 2 ? view.layout === "together" : null}
            onTogether={(together) => change({ layout: together ? "together" : "panels" })}
            onChange={(metrics) => {
              chose.current = true;
              change({ metrics });
            }}
          />
        )}
        {asked && (
          <HistoryToolbar
            view={view}
            stretch={stretch}
            onRange={toRange}
            onBack={before.length > 0 ? back : null}
            onChange={change}
          />
        )}
      </section>
      {asked && loaded.problem && <ProblemBox problem={loaded.problem} onRetry={loaded.reload} />}
      <div
        ref={box}
        class={loading && asked ? "history-panels loading" : "history-panels"}
        aria-busy={loading && asked}
      >
        {panels.map((panel) => (
          <HistoryPanel
            key={panel.key}
            panel={panel}
            stretch={stretch}
            zone={view.zone}
            height={panels.length > 2 ? 190 : panels.length === 2 ? 230 : 340}
            onRange={toRange}
            onBack={back}
            scale={view.scale}
            onScale={(scale) => change({ scale })}
            onToggle={toggle}
          />
        ))}
        {asked && !data && !loaded.problem && <p class="waiting quiet">Loading…</p>}
        {view.devices.length === 0 && (
          <section class="empty">
            <h2>Choose devices to see their history</h2>
            <p>Several at once, and several metrics. The address holds the view, so that it can be shared.</p>
          </section>
        )}
        {view.devices.length > 0 && view.metrics.length === 0 && known && known.size > 0 && (
          <section class="empty">
            <h2>Choose a metric</h2>
            <p>Each gets a chart of its own, all over the same time.</p>
          </section>
        )}
      </div>
    </>
  );
}

/** A point for each pixel is as much as a chart can show; steps of a hundred, so that a resize asks seldom. */
function pointsFor(width: number): number {
  return width === 0 ? 0 : Math.min(2_000, Math.max(200, Math.ceil((width - 70) / 100) * 100));
}

/** What the time axis spans: at once what was chosen, even while its answer is on its way. */
function stretchOf(range: ChartRange, answered: Stretch | undefined): Stretch {
  if (range.kind === "fixed") return range;
  return answered ?? bounds(range.kind === "all" ? { kind: "last", ms: 86_400_000 } : range, Date.now());
}

/** How many of the devices have each metric. */
function metricsOf(devices: (DeviceDetail | null)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const device of devices) {
    for (const metric of Object.keys(device?.latest ?? {})) counts.set(metric, (counts.get(metric) ?? 0) + 1);
  }
  return counts;
}

/** The number that varies most for its size; a flat line tells little. */
function liveliest(devices: (DeviceDetail | null)[]): string | null {
  const all = devices.flatMap((device) => Object.entries(device?.latest ?? {}));
  const variation = ({ value, mean, stddev }: DeviceDetail["latest"][string]) =>
    typeof value === "number" ? stddev / Math.max(1e-9, Math.abs(mean)) : -1;
  return all.sort(([, a], [, b]) => variation(b) - variation(a))[0]?.[0] ?? null;
}
