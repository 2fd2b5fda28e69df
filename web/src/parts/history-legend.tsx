import { formatNumber } from "../format.ts";
import type { Line } from "../history/panel.ts";
import { summaryOf } from "../history/trace.ts";
import { formatSpan } from "../history/zone.ts";

/** Each line's key, switch and figures over what is shown: the chart in words and numbers. */
export function HistoryLegend(props: { lines: Line[]; title: string; onToggle: (key: string) => void }) {
  return (
    <div class="scroll">
      <table class="history-legend">
        <caption class="visually-hidden">{props.title} in the time shown</caption>
        <thead>
          <tr>
            <th scope="col">Device</th>
            {["Last", "Average", "Lowest", "Highest"].map((name) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
            <th scope="col" class="number wide">
              Readings
            </th>
            <th scope="col" class="number">
              Flagged
            </th>
            <th scope="col" class="number">
              Gaps
            </th>
          </tr>
        </thead>
        <tbody>
          {props.lines.map((line) => (
            <Row key={line.key} line={line} onToggle={() => props.onToggle(line.key)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row(props: { line: Line; onToggle: () => void }) {
  const { line, onToggle } = props;
  const summary = summaryOf(line.trace);
  return (
    <tr class={line.shown ? "" : "off"}>
      <th scope="row">
        <label class="check">
          <input type="checkbox" checked={line.shown} onChange={onToggle} />
          <i
            class={line.dashed ? "swatch dashed" : "swatch"}
            style={{ "--colour": `var(--${line.colour})` }}
            aria-hidden="true"
          />
          <span class="id">{line.name}</span>
        </label>
      </th>
      {summary === null ? (
        <td colSpan={7} class="quiet none-here">
          {line.trace.texts.length > 0 ? "text, listed below" : "no readings in this time"}
        </td>
      ) : (
        <>
          {[summary.last, summary.mean, summary.low, summary.high].map((value, at) => (
            <td key={at} class="number">
              {formatNumber(value)}
            </td>
          ))}
          <td class="number wide">{formatNumber(summary.readings)}</td>
          <td class={summary.flagged > 0 ? "number flagged" : "number quiet"}>
            {summary.flagged > 0 ? `${formatNumber(summary.flagged)} ${share(summary)}` : "none"}
          </td>
          <td class={summary.gaps > 0 ? "number" : "number quiet"}>
            {summary.gaps === 0 ? "none" : `${summary.gaps}, ${longest(summary)}${formatSpan(summary.longestGapMs)}`}
          </td>
        </>
      )}
    </tr>
  );
}

function longest({ gaps }: { gaps: number }): string {
  return gaps > 1 ? "longest " : "";
}

function share({ flagged, readings }: { flagged: number; readings: number }): string {
  const percent = (flagged / readings) * 100;
  return percent < 0.1 ? "(<0.1 %)" : `(${formatNumber(Math.round(percent * 10) / 10)} %)`;
}
