import type { ChartRange } from "../chart-range.ts";
import { formatNumber } from "../format.ts";
import type { Line, Panel } from "../history/panel.ts";
import { summaryOf } from "../history/trace.ts";
import type { HistoryView, Zone } from "../history/view.ts";
import { formatMoment, formatStretch } from "../history/zone.ts";
import type { Stretch } from "../history/zoom.ts";
import { HistoryChart } from "./history-chart.tsx";
import { HistoryLegend } from "./history-legend.tsx";

const mostChanges = 60;

/** One chart of the page with its legend; text is a list of what it changed to. */
export function HistoryPanel(props: {
  panel: Panel;
  stretch: Stretch;
  zone: Zone;
  height: number;
  scale: HistoryView["scale"];
  onScale: (scale: HistoryView["scale"]) => void;
  onRange: (range: ChartRange) => void;
  onBack: () => void;
  onToggle: (key: string) => void;
}) {
  const { panel, stretch, zone, height, scale, onScale, onRange, onBack, onToggle } = props;
  const numbers = panel.lines.some(({ trace }) => trace.points.length > 0);
  const flagged = panel.lines.some(({ trace }) => trace.points.some((point) => point.flagged > 0));
  const texts = panel.lines.filter(({ trace }) => trace.texts.length > 0);
  return (
    <section class="panel history-panel" aria-label={panel.title}>
      <header>
        <h2>{panel.title}</h2>
        {panel.axes.right !== null && (
          <span class="quiet">
            {panel.axes.left} left, {panel.axes.right} right and dashed
          </span>
        )}
        {flagged && (
          <label class="check at-end scale-check">
            <input
              type="checkbox"
              checked={scale === "unflagged"}
              onChange={(event) => onScale(event.currentTarget.checked ? "unflagged" : "all")}
            />
            Scale without flagged
          </label>
        )}
      </header>
      {numbers ? (
        <HistoryChart
          panel={panel}
          stretch={stretch}
          zone={zone}
          height={height}
          unflagged={scale === "unflagged"}
          summary={summary(panel, stretch, zone)}
          onRange={onRange}
          onBack={onBack}
        />
      ) : (
        texts.length === 0 && (
          <div class="none chart-none">
            <p>No readings from {formatStretch(stretch.fromMs, stretch.toMs, zone)}.</p>
            <button type="button" onClick={() => onRange({ kind: "all" })}>
              Show everything there is
            </button>
          </div>
        )
      )}
      {(numbers || texts.length === 0) && <HistoryLegend lines={panel.lines} title={panel.title} onToggle={onToggle} />}
      {texts
        .filter(({ shown }) => shown)
        .map((line) => (
          <Changes key={line.key} line={line} zone={zone} />
        ))}
    </section>
  );
}

/** What a text changed to, newest first. */
function Changes(props: { line: Line; zone: Zone }) {
  const { texts } = props.line.trace;
  const changes = texts.filter(({ text }, at) => texts[at - 1]?.text !== text).slice(-mostChanges);
  return (
    <ol class="events changes" aria-label={`Changes of ${props.line.name}`}>
      {changes.reverse().map(({ tsMs, text, rules }) => (
        <li key={tsMs}>
          <time dateTime={new Date(tsMs).toISOString()}>{formatMoment(tsMs, props.zone, 3_600_000)}</time>
          <span class="what">
            <b>{text}</b> <span class="quiet">{props.line.name}</span>
            {rules.length > 0 && <span class="flagged"> ◆ {rules.join(", ")}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}

function summary(panel: Panel, stretch: Stretch, zone: Zone): string {
  const shown = panel.lines.filter((line) => line.shown);
  const parts = shown.flatMap(({ name, trace }) => {
    const found = summaryOf(trace);
    return found ? [`${name} between ${formatNumber(found.low)} and ${formatNumber(found.high)}`] : [];
  });
  const when = formatStretch(stretch.fromMs, stretch.toMs, zone);
  return `Chart of ${panel.title}, ${when}: ${parts.join("; ") || "nothing shown"}. Plus and minus zoom, arrows move, Escape goes back.`;
}
