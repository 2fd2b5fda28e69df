import "uplot/dist/uPlot.min.css";
import "../style/chart.css";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { timeLabels, withAir } from "../chart-axes.ts";
import type { ChartColumns } from "../chart-columns.ts";
import { formatLocal, formatNumber } from "../format.ts";
import { colour, drawn } from "../theme.ts";
import { useWidth } from "./use-width.ts";

const height = 260;
/** Dragging less than this across the chart is a click, px. */
const leastDragPx = 8;

/** A line, with a band from lowest to highest for buckets. Dragging across it selects a stretch of time. */
export function Chart(props: {
  metric: string;
  columns: ChartColumns;
  fromMs: number;
  toMs: number;
  summary: string;
  onSelect: (fromMs: number, toMs: number) => void;
}) {
  const { columns, fromMs, toMs } = props;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const width = useWidth(box);
  const ready = width > 0;
  const shade = drawn.value;

  useEffect(() => {
    if (!box.current || !ready) return;
    const made = new uPlot(
      options(width, columns.banded, (from, to) => newest.current.onSelect(from * 1000, to * 1000)),
      dataOf(newest.current.columns),
      box.current,
    );
    made.setScale("x", { min: newest.current.fromMs / 1000, max: newest.current.toMs / 1000 });
    chart.current = made;
    return () => {
      made.destroy();
      chart.current = null;
    };
  }, [ready, columns.banded, shade]);

  useEffect(() => {
    if (ready) chart.current?.setSize({ width, height });
  }, [width, ready]);
  useEffect(() => chart.current?.setData(dataOf(columns), false), [columns]);
  useEffect(() => chart.current?.setScale("x", { min: fromMs / 1000, max: toMs / 1000 }), [columns, fromMs, toMs]);

  return <div class="chart" ref={box} role="img" aria-label={props.summary} />;
}

function dataOf(columns: ChartColumns): uPlot.AlignedData {
  const { times, low, high, middle, banded } = columns;
  return banded ? [times, high, low, middle] : [times, middle];
}

function options(width: number, banded: boolean, onSelect: (from: number, to: number) => void): uPlot.Options {
  const line = colour("line-chart");
  const grid = { stroke: colour("grid"), width: 1 };
  const axis = { stroke: colour("muted"), font: "11px system-ui, sans-serif", grid, ticks: { show: false } };
  const value = (_: uPlot, height: number | null) => (height === null ? "–" : formatNumber(height));
  const edge = { width: 0, points: { show: false }, value };
  const middle: uPlot.Series = {
    label: banded ? "average" : "value",
    stroke: line,
    width: 1.5,
    points: { size: 4, fill: line },
    value,
  };
  return {
    width,
    height,
    padding: [12, 14, 0, 0],
    series: [
      { label: "time", value: (_, at) => (at === null ? "–" : formatLocal(at * 1000, Date.now())) },
      ...(banded
        ? [
            { ...edge, label: "highest" },
            { ...edge, label: "lowest" },
          ]
        : []),
      middle,
    ],
    ...(banded ? { bands: [{ series: [1, 2] as [number, number], fill: colour("band-chart") }] } : {}),
    scales: { x: { time: true }, y: { range: withAir } },
    axes: [
      { ...axis, values: timeLabels, size: 36, space: 70 },
      { ...axis, values: (_, splits) => splits.map(formatNumber), size: axisWidth },
    ],
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    legend: { markers: { show: false } },
    hooks: {
      setSelect: [
        (chart) => {
          const { left, width: selected } = chart.select;
          if (selected < leastDragPx) return;
          onSelect(chart.posToVal(left, "x"), chart.posToVal(left + selected, "x"));
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/** Room for the longest label of the y axis, px. */
function axisWidth(_: uPlot, labels: string[] | null): number {
  const longest = Math.max(3, ...(labels ?? []).map((label) => label.length));
  return 18 + longest * 6.5;
}
