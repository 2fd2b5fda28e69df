import "../style/lists.css";
import "../style/device.css";
import "../style/history.css";
import "../style/quality.css";
import { useEffect, useRef } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { api } from "../api.ts";
import { bounds, type ChartRange, rangeKey } from "../chart-range.ts";
import type { QualityReport } from "../contract.ts";
import { stats, typeNames, useFleetStats } from "../fleet.ts";
import { formatStretch } from "../history/zone.ts";
import { presets, refreshMs } from "../history/zoom.ts";
import { HistoryChart } from "../parts/history-chart.tsx";
import { Choice } from "../parts/letter-filters.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { GroupTable, RuleTable } from "../parts/quality-tables.tsx";
import { QualityTiles } from "../parts/quality-tiles.tsx";
import { TypeRules } from "../parts/type-rules.tsx";
import { useTitle } from "../parts/use-title.ts";
import { type QualityView, qualityHref, readQualityView, reportQuery } from "../quality/quality-view.ts";
import { reportPanels } from "../quality/report.ts";
import { useResource } from "../use-resource.ts";

/** How good the data is: the measures over time, what breaks them, and the rules by which it is judged. */
export function QualityPage() {
  useTitle("Quality");
  useFleetStats();
  const [, go] = useLocation();
  const view = readQualityView(useSearch());
  const { range } = view;
  const before = useRef<ChartRange[]>([]);
  const key = `${rangeKey(range)}|${view.type}|${view.region}|${view.rule}`;
  const report = useResource(key, (signal) => api.quality(reportQuery(view, bounds(range, Date.now())), signal));
  const data = report.data;
  const { loading, reload } = report;
  const spanMs = range.kind === "last" ? range.ms : null;
  useEffect(() => {
    if (loading || spanMs === null) return;
    const timer = setTimeout(
      () => document.visibilityState === "visible" && reload(),
      Math.max(5_000, refreshMs(spanMs)),
    );
    return () => clearTimeout(timer);
  }, [loading, spanMs, reload, data]);

  const change = (to: Partial<QualityView>, replace = true) => go(qualityHref({ ...view, ...to }), { replace });
  const toRange = (next: ChartRange) => {
    if (rangeKey(next) === rangeKey(range)) return;
    before.current.push(range);
    change({ range: next }, false);
  };
  const back = () => {
    const last = before.current.pop();
    if (last) change({ range: last });
  };
  const fleet = stats.value;
  const types = fleet ? typeNames(fleet) : [];
  const regions = (fleet?.regions ?? []).map((one) => one.region).filter((region) => region !== "");
  return (
    <>
      <header class="page-head">
        <h1>Quality</h1>
        <p class="quiet">How complete, accurate, timely and fresh the telemetry is.</p>
      </header>
      <search class="filters">
        <fieldset class="segments">
          <legend class="visually-hidden">Time shown</legend>
          {presets
            .filter((preset) => preset.range.kind === "last" && preset.range.ms >= 3_600_000)
            .map((preset) => (
              <button
                key={preset.name}
                type="button"
                title={`Show the ${preset.words}`}
                aria-pressed={rangeKey(preset.range) === rangeKey(range)}
                onClick={() => toRange(preset.range)}
              >
                {preset.name}
              </button>
            ))}
        </fieldset>
        {range.kind === "fixed" && (
          <span class="quiet">
            {formatStretch(range.fromMs, range.toMs, "local")}{" "}
            <button type="button" class="link" onClick={back}>
              Back
            </button>
          </span>
        )}
        <span class="at-end quality-filters">
          <Choice
            name="Type"
            all="All types"
            value={view.type}
            options={types.map((type) => [type, type])}
            onChange={(type) => change({ type })}
          />
          <Choice
            name="Region"
            all="All regions"
            value={view.region}
            options={regions.sort().map((region) => [region, region])}
            onChange={(region) => change({ region })}
          />
        </span>
      </search>
      {report.problem && <ProblemBox problem={report.problem} onRetry={reload} />}
      {data === null && !report.problem && <p class="waiting quiet">Loading…</p>}
      {data && <QualityTiles total={data.totals} />}
      {data && data.totals.messages === 0 && (
        <p class="waiting quiet">{data.detail ?? "No message arrived in this time."}</p>
      )}
      {data && data.totals.messages > 0 && (
        <>
          <Charts report={data} range={range} onRange={toRange} onBack={back} />
          <div class="columns quality-tables">
            <RuleTable report={data} chosen={view.rule} onChoose={(rule) => change({ rule })} />
            <GroupTable report={data} onChoose={({ type, region }) => change({ type, region })} />
          </div>
        </>
      )}
      <TypeRules
        type={view.type === "" ? "default" : view.type}
        types={types}
        onType={(type) => change({ type: type === "default" ? "" : type })}
      />
    </>
  );
}

function Charts(props: {
  report: QualityReport;
  range: ChartRange;
  onRange: (range: ChartRange) => void;
  onBack: () => void;
}) {
  const { report, range, onRange, onBack } = props;
  const stretch = range.kind === "fixed" ? range : { fromMs: Date.parse(report.from), toMs: Date.parse(report.to) };
  return (
    <div class="columns quality-charts">
      {reportPanels(report).map((panel) => (
        <section key={panel.key} class="panel" aria-label={panel.title}>
          <header>
            <h2>{panel.title}</h2>
            {panel.lines.length > 1 && (
              <span class="key">
                {panel.lines.map(({ name, colour }) => (
                  <span key={name} class="badge">
                    <i class="swatch" style={{ "--colour": `var(--${colour})` }} />
                    {name}
                  </span>
                ))}
              </span>
            )}
          </header>
          <HistoryChart
            panel={panel}
            stretch={stretch}
            zone="local"
            height={190}
            summary={`Chart of ${panel.title}, ${formatStretch(stretch.fromMs, stretch.toMs, "local")}. Plus and minus zoom, arrows move, Escape goes back.`}
            onRange={onRange}
            onBack={onBack}
          />
        </section>
      ))}
    </div>
  );
}
