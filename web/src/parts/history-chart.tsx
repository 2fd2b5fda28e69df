import "uplot/dist/uPlot.min.css";
import "../style/chart.css";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { ChartRange } from "../chart-range.ts";
import { columnsOf, pointAt } from "../history/columns.ts";
import type { Panel } from "../history/panel.ts";
import type { Zone } from "../history/view.ts";
import { chosen, ofKey, type Stretch, zoomed } from "../history/zoom.ts";
import { drawn } from "../theme.ts";
import { chartOptions, drawFlags } from "./history-chart-options.ts";
import { HistoryTip, type Tip } from "./history-tip.tsx";
import { useWidth } from "./use-width.ts";

/** Dragging less than this across the chart is a click, px. */
const leastDragPx = 6;
/** A reading this near to the pointer is told, px. */
const nearPx = 24;
/** uPlot.join: null takes in the places beside it where only other tables have points. */
const expandNulls = 2;

/**
 * The lines of a panel. Dragging across it chooses a stretch, a double click goes back, Ctrl and the wheel zoom around
 * the pointer, and keys do the same (`ofKey`). Crosshairs of all panels of the page go together.
 */
export function HistoryChart(props: {
  panel: Panel;
  stretch: Stretch;
  zone: Zone;
  height: number;
  /** The y axes leave out what is flagged. */
  unflagged?: boolean;
  summary: string;
  onRange: (range: ChartRange) => void;
  onBack: () => void;
}) {
  const { panel, stretch, zone, height } = props;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const [tip, setTip] = useState<Tip | null>(null);
  const width = useWidth(box);
  const ready = width > 0;
  const shade = drawn.value;
  const lines = panel.lines.filter(({ shown }) => shown);
  const shape = lines.map(({ key, colour, axis, trace }) => [key, colour, axis, trace.kind].join(" ")).join("|");

  useEffect(() => {
    if (!box.current || !ready) return;
    const visible = () => newest.current.panel.lines.filter((line) => line.shown);
    const made = new uPlot(
      chartOptions({
        width,
        height,
        panel: { ...newest.current.panel, lines: visible() },
        zone,
        lines: () => (newest.current.unflagged ? visible() : null),
        onDraw: (drawing) => drawFlags(drawing, visible()),
        onSelect: (drawing) => {
          const { left, width: selected } = drawing.select;
          drawing.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          // The other panels' charts follow the drag, and would answer it again.
          if (selected < leastDragPx || !drawing.root.matches(":hover, :active")) return;
          const [from, to] = [drawing.posToVal(left, "x"), drawing.posToVal(left + selected, "x")];
          newest.current.onRange(chosen(from * 1000, to * 1000, Date.now()));
        },
        onPointer: (drawing) => setTip(tipOf(drawing, visible())),
        onDoubleClick: () => newest.current.onBack(),
      }),
      dataOf(visible()),
      box.current,
    );
    made.setScale("x", scaleOf(newest.current.stretch));
    chart.current = made;
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { left, width } = made.over.getBoundingClientRect();
      const at = Math.min(1, Math.max(0, (event.clientX - left) / width));
      newest.current.onRange(zoomed(newest.current.stretch, event.deltaY > 0 ? 1.5 : 1 / 1.5, at, Date.now()));
    };
    made.over.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      made.destroy();
      chart.current = null;
    };
  }, [ready, shape, shade, zone, panel.key]);

  useEffect(() => {
    if (ready) chart.current?.setSize({ width, height });
  }, [width, height, ready]);
  useEffect(() => {
    if (!chart.current) return;
    chart.current.setData(dataOf(lines), false);
    chart.current.setScale("x", scaleOf(stretch));
  }, [panel, stretch.fromMs, stretch.toMs, props.unflagged]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const range = ofKey(event.key, stretch, Date.now());
    if (range === null) return;
    event.preventDefault();
    if (range === "back") props.onBack();
    else props.onRange(range);
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys that zoom need the focus
    <div class="chart history-chart" role="application" tabIndex={0} aria-label={props.summary} onKeyDown={onKeyDown}>
      <div ref={box} style={{ minHeight: `${height}px` }} />
      {tip && <HistoryTip tip={tip} lines={lines} zone={zone} spanMs={stretch.toMs - stretch.fromMs} />}
    </div>
  );
}

function dataOf(lines: Panel["lines"]): uPlot.AlignedData {
  const tables = lines.map(({ trace }): uPlot.AlignedData => {
    const { times, middle, band } = columnsOf(trace);
    return band ? [times, band.high, band.low, middle] : [times, middle];
  });
  if (tables.length === 0) return [[]];
  // A gap of one line goes from point to point, whatever points others have in it.
  return uPlot.join(
    tables,
    tables.map((table) => table.map(() => expandNulls)),
  );
}

function scaleOf({ fromMs, toMs }: Stretch): { min: number; max: number } {
  return { min: fromMs / 1000, max: toMs / 1000 };
}

/** What is under the pointer; null where it is not on this chart or nothing is near. */
function tipOf(drawing: uPlot, lines: Panel["lines"]): Tip | null {
  const { left = -1, top = -1 } = drawing.cursor;
  if (left < 0 || !drawing.root.matches(":hover")) return null;
  const atMs = drawing.posToVal(left, "x") * 1000;
  const withinMs = Math.abs(drawing.posToVal(left + nearPx, "x") * 1000 - atMs);
  const points = lines.map(({ trace }) => pointAt(trace, atMs, withinMs));
  const { clientWidth } = drawing.over;
  const inset = drawing.over.offsetLeft;
  return { atMs, points, left: inset + left, top, side: left > clientWidth / 2 ? "left" : "right" };
}
