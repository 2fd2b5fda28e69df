import uPlot from "uplot";
import { timeLabels, withAir } from "../chart-axes.ts";
import { formatNumber } from "../format.ts";
import { drawnAtMs } from "../history/columns.ts";
import type { Line, Panel } from "../history/panel.ts";
import { unflaggedExtent } from "../history/scale.ts";
import type { Zone } from "../history/view.ts";
import { colour } from "../theme.ts";

/** Half a diamond's height, and the height of the lane of flagged buckets at the foot of a chart: CSS px. */
const diamond = 4.5;
const lane = 6;
/** The same for all panels of the page, so that their times stand below each other: px. */
const axisWidth = 58;
/** Points closer than this are not drawn one by one: px. */
const pxOfPoint = 7;

/** How a panel's chart looks and what it tells of the pointer. */
export function chartOptions(about: {
  width: number;
  height: number;
  panel: Panel;
  zone: Zone;
  /** The lines shown, if the y axes are to leave out what is flagged of them. */
  lines: () => readonly Line[] | null;
  onDraw: (drawing: uPlot) => void;
  onSelect: (drawing: uPlot) => void;
  onPointer: (drawing: uPlot) => void;
  onDoubleClick: () => void;
}): uPlot.Options {
  const { width, height, panel, zone } = about;
  const grid = { stroke: colour("grid"), width: 1 };
  const axis = { stroke: colour("muted"), font: "11px system-ui, sans-serif", grid, ticks: { show: false } };
  const values = (_: uPlot, splits: number[]) => splits.map(formatNumber);
  const right = panel.axes.right !== null;
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const line of panel.lines) {
    const scale = line.axis === "right" ? "right" : "y";
    const stroke = colour(line.colour);
    if (line.trace.bucketMs > 0) {
      const edge = { scale, width: 0, points: { show: false } };
      series.push(edge, edge);
      bands.push({ series: [series.length - 2, series.length - 1], fill: faded(stroke) });
    }
    series.push({
      scale,
      stroke,
      width: 1.5,
      ...(line.dashed ? { dash: [6, 4] } : {}),
      points: { size: 5, width: 1, fill: stroke, stroke, show: (drawing) => fewIn(drawing, line) },
    });
  }
  return {
    width,
    height,
    padding: [10, right ? 0 : 20, 0, 0],
    series,
    bands,
    ...(zone === "utc" ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") } : {}),
    scales: {
      x: { time: true },
      y: { range: (drawing, low, high) => yRange(drawing, about.lines(), "left", low, high) },
      right: { range: (drawing, low, high) => yRange(drawing, about.lines(), "right", low, high) },
    },
    axes: [
      { ...axis, values: timeLabels, size: 36, space: 74 },
      { ...axis, scale: "y", values, size: axisWidth },
      ...(right ? [{ ...axis, scale: "right", side: 1 as const, values, size: axisWidth, grid: { show: false } }] : []),
    ],
    cursor: {
      sync: { key: "history", scales: ["x", null] },
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      bind: {
        dblclick: () => () => {
          about.onDoubleClick();
          return null;
        },
      },
    },
    legend: { show: false },
    hooks: { draw: [about.onDraw], setSelect: [about.onSelect], setCursor: [about.onPointer] },
  };
}

/**
 * Quality flags: a diamond on each flagged reading; for buckets, a lane at the foot of the chart, the stronger the more
 * of their readings are flagged.
 */
export function drawFlags(drawing: uPlot, lines: readonly Line[]): void {
  const { ctx, bbox } = drawing;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = colour("bad");
  ctx.strokeStyle = colour("surface");
  ctx.lineWidth = ratio;
  for (const { trace, axis } of lines) {
    for (const point of trace.points) {
      if (point.flagged === 0) continue;
      const x = drawing.valToPos(drawnAtMs(point, trace.bucketMs) / 1000, "x", true);
      if (trace.bucketMs > 0) {
        const from = drawing.valToPos(point.tsMs / 1000, "x", true);
        const wide = Math.max(3 * ratio, (x - from) * 2);
        ctx.globalAlpha = 0.6 + 0.4 * Math.min(1, point.flagged / Math.max(1, point.count));
        ctx.fillRect(x - wide / 2, bbox.top + bbox.height - lane * ratio, wide, lane * ratio);
        continue;
      }
      const y = drawing.valToPos(point.middle, axis === "right" ? "right" : "y", true);
      const half = diamond * ratio;
      ctx.beginPath();
      ctx.moveTo(x, y - half);
      ctx.lineTo(x + half, y);
      ctx.lineTo(x, y + half);
      ctx.lineTo(x - half, y);
      ctx.closePath();
      ctx.fill();
      ctx.stroke();
    }
  }
  ctx.restore();
}

function yRange(
  drawing: uPlot,
  lines: readonly Line[] | null,
  axis: Line["axis"],
  low: number | null,
  high: number | null,
): [number, number] {
  const extent = lines && unflaggedExtent(lines, axis);
  return extent ? withAir(drawing, extent.low, extent.high) : withAir(drawing, low, high);
}

/** Each reading has its dot where there is room for it, and one that is alone, of which there is no line. */
function fewIn(drawing: uPlot, { trace }: Line): boolean {
  if (trace.points.length === 1) return true; // a point between two gaps has one anyway
  return trace.kind === "raw" && trace.points.length * pxOfPoint < drawing.over.clientWidth;
}

/** A band's fill: several lie over each other. */
function faded(rgb: string): string {
  return rgb.replace(/^rgb\((.*)\)$/, (_, parts: string) => `rgba(${parts}, 0.2)`);
}
