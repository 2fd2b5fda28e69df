import { formatNumber, formatWords } from "../format.ts";
import type { Line } from "../history/panel.ts";
import type { TracePoint } from "../history/trace.ts";
import type { Zone } from "../history/view.ts";
import { formatMoment, formatStretch } from "../history/zone.ts";

/** What is under the pointer: a point of each line, null where the line has none there. Places are px. */
export type Tip = {
  atMs: number;
  points: (TracePoint | null)[];
  left: number;
  top: number;
  /** Where it has room. */
  side: "left" | "right";
};

const mostRows = 8;

/** The values under the pointer. It repeats what the chart and the table below it say, so assistive software skips it. */
export function HistoryTip(props: { tip: Tip; lines: Line[]; zone: Zone; spanMs: number }) {
  const { tip, lines, zone, spanMs } = props;
  const found = lines.flatMap((line, at) => {
    const point = tip.points[at];
    return point ? [{ line, point }] : [];
  });
  const first = found[0];
  const bucketMs = first?.line.trace.bucketMs ?? 0;
  const when =
    first && bucketMs > 0
      ? formatStretch(first.point.tsMs, first.point.tsMs + bucketMs, zone)
      : formatMoment(first?.point.tsMs ?? tip.atMs, zone, Math.min(spanMs, 60_000));
  const place = tip.side === "right" ? { left: `${tip.left + 14}px` } : { right: `calc(100% - ${tip.left - 14}px)` };
  return (
    <div class="tip" style={place} aria-hidden="true">
      <p class="quiet">
        {when}
        {zone === "utc" && " UTC"}
      </p>
      {found.length === 0 && <p>No reading here</p>}
      {found.slice(0, mostRows).map(({ line, point }) => (
        <div key={line.key} class="tip-row">
          <i class="swatch" style={{ "--colour": `var(--${line.colour})` }} />
          <span class="tip-name">{line.name}</span>
          <b>{formatNumber(point.middle)}</b>
          {point.low !== point.high && (
            <span class="quiet tip-more">
              {formatNumber(point.low)} – {formatNumber(point.high)}, {readings(point.count)}
            </span>
          )}
          {point.flagged > 0 && <span class="tip-more tip-flag">{flagWords(point)}</span>}
        </div>
      ))}
      {found.length > mostRows && <p class="quiet">and {found.length - mostRows} more</p>}
    </div>
  );
}

function flagWords(point: TracePoint): string {
  const rules = point.rules.map(formatWords).join(", ");
  const what = point.count > 1 ? `${formatNumber(point.flagged)} of ${formatNumber(point.count)} flagged` : "flagged";
  return `◆ ${what}${rules === "" ? "" : `: ${rules}`}`;
}

function readings(count: number): string {
  return `${formatNumber(count)} ${count === 1 ? "reading" : "readings"}`;
}
