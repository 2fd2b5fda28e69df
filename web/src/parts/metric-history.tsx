import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { appended, chartColumns, extent } from "../chart-columns.ts";
import { bounds, type ChartRange, firstRange, rangeKey } from "../chart-range.ts";
import { now } from "../clock.ts";
import type { History, Latest } from "../contract.ts";
import { formatDuration, formatLocal, formatNumber, formatValue, formatWords } from "../format.ts";
import { historyHref } from "../history/view.ts";
import { loadHistory } from "../load-history.ts";
import { useLive } from "../use-live.ts";
import { useResource } from "../use-resource.ts";
import { Chart } from "./chart.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { RangePicker } from "./range-picker.tsx";
import { Time } from "./time.tsx";

/** The history of one metric in a range that one chooses, growing by live readings. */
export function MetricHistory(props: { device: string; metric: string; latest: Latest }) {
  const { device, metric, latest } = props;
  const [range, setRange] = useState(() => firstRange(Date.parse(latest.ts), Date.now()));
  const history = useResource(`${device}/${metric}/${rangeKey(range)}`, (signal) =>
    loadHistory(device, metric, range, Date.now(), signal),
  );
  useLive(`device:${device}`, (message) => {
    if (message.type !== "telemetry" || message.device !== device || range.kind === "fixed") return;
    const value = message.readings[metric];
    if (value !== undefined) history.patch((before) => appended(before, Date.parse(message.ts), value));
  });

  const data = history.data && withLatest(history.data, range, latest);
  const empty = data !== null && data.points.length === 0;
  const columns = data && !empty ? chartColumns(data) : null;
  const shown = data ? stretch(data, range) : null;
  return (
    <>
      <header>
        <h2>{formatWords(metric)}</h2>
        <span class="quiet">{data && !empty ? resolution(data) : ""}</span>
        <Link href={historyHref({ devices: [device], metrics: [metric], range })}>In history</Link>
        <RangePicker range={range} shown={shown} onChange={setRange} />
      </header>
      {history.problem && <ProblemBox problem={history.problem} onRetry={history.reload} />}
      <div class="chart-box" aria-busy={history.loading}>
        {columns && shown && (
          <Chart
            metric={metric}
            columns={columns}
            fromMs={shown.fromMs}
            toMs={shown.toMs}
            summary={summary(metric, data!)}
            onSelect={(fromMs, toMs) => setRange({ kind: "fixed", fromMs, toMs })}
          />
        )}
        {data && !empty && columns === null && <Changes history={data} />}
        {empty && !history.loading && (
          <div class="none chart-none">
            <p>
              No reading in this time. The newest is from <Time at={latest.ts} />.
            </p>
            <button type="button" onClick={() => setRange(dayBefore(Date.parse(latest.ts)))}>
              Show the day before it
            </button>
          </div>
        )}
      </div>
    </>
  );
}

/** Readings are charted a moment after the twin has them: the newest one need not wait for that. */
function withLatest(history: History, range: ChartRange, latest: Latest): History {
  const tsMs = Date.parse(latest.ts);
  const { fromMs, toMs } = bounds(range, now.peek());
  const inRange = range.kind === "fixed" ? tsMs >= fromMs && tsMs < toMs : tsMs >= fromMs;
  const counted = history.kind === "buckets" && (extent(history)?.toMs ?? 0) > tsMs;
  return inRange && !counted ? appended(history, tsMs, latest.value) : history;
}

/** Text has no height: its values are listed, the newest first. */
function Changes(props: { history: History }) {
  const points = props.history.kind === "raw" ? props.history.points : [];
  const changes = points.filter((point, at) => point.value !== points[at - 1]?.value).slice(-40);
  return (
    <ol class="events changes">
      {changes.reverse().map((point) => (
        <li key={point.ts}>
          <Time at={point.ts} />
          <b>{formatValue(point.value)}</b>
        </li>
      ))}
    </ol>
  );
}

/** What the x axis spans. A moving range reads the clock, so that the chart moves on without readings, too. */
function stretch(history: History, range: ChartRange): { fromMs: number; toMs: number } {
  if (range.kind !== "all") return bounds(range, range.kind === "last" ? now.value : 0);
  const found = extent(history) ?? { fromMs: Date.parse(history.from), toMs: Date.parse(history.to) };
  return found.toMs > found.fromMs ? found : { fromMs: found.fromMs - 60_000, toMs: found.toMs + 60_000 };
}

function resolution(history: History): string {
  if (history.kind === "raw") return `${formatNumber(history.points.length)} readings`;
  return `average, with lowest to highest, by ${formatDuration(history.bucketSeconds * 1000)}`;
}

function summary(metric: string, history: History): string {
  const nowMs = now.peek();
  const found = extent(history);
  if (!found) return "";
  const heights =
    history.kind === "buckets"
      ? history.points.flatMap(({ min, max }) => [min, max])
      : history.points.map(({ value }) => Number(value));
  const low = heights.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = heights.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return `Chart of ${formatWords(metric)} from ${formatLocal(found.fromMs, nowMs)} to ${formatLocal(found.toMs, nowMs)}: between ${formatNumber(low)} and ${formatNumber(high)}.`;
}

function dayBefore(ms: number): ChartRange {
  return { kind: "fixed", fromMs: ms - 86_400_000, toMs: ms + 60_000 };
}
