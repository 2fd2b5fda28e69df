import { type ChartRange, rangeKey } from "../chart-range.ts";
import type { HistoryView } from "../history/view.ts";
import { fromInput, toInput, zoneName } from "../history/zone.ts";
import { moved, presets, type Stretch, zoomed } from "../history/zoom.ts";
import { Icon } from "./icon.tsx";

/** What time is shown, and how: presets, two times, steps and zoom for those who do not drag. */
export function HistoryToolbar(props: {
  view: HistoryView;
  stretch: Stretch;
  onRange: (range: ChartRange) => void;
  /** null: one has not zoomed. */
  onBack: (() => void) | null;
  onChange: (change: Partial<HistoryView>) => void;
}) {
  const { view, stretch, onRange, onBack, onChange } = props;
  const zoom = (factor: number) => onRange(zoomed(stretch, factor, 0.5, Date.now()));
  const setEnd = (which: keyof Stretch, value: string) => {
    const ms = fromInput(value, view.zone);
    const next = { ...stretch, [which]: ms };
    if (next.fromMs < next.toMs) onRange({ kind: "fixed", ...next });
  };
  const zoneWords = view.zone === "utc" ? "UTC" : "local time";
  return (
    <div class="history-bar">
      <fieldset class="segments">
        <legend class="visually-hidden">Time shown</legend>
        {presets.map(({ name, words, range }) => (
          <button
            key={name}
            type="button"
            title={`Show the ${words}`.replace("the everything", "everything")}
            aria-pressed={rangeKey(view.range) === rangeKey(range)}
            onClick={() => onRange(range)}
          >
            {name}
          </button>
        ))}
      </fieldset>
      <span class="range-ends">
        {(["fromMs", "toMs"] as const).map((which) => (
          <input
            key={which}
            type="datetime-local"
            step="1"
            aria-label={`${which === "fromMs" ? "From" : "To"}, ${zoneWords}`}
            value={toInput(stretch[which], view.zone)}
            onChange={(event) => setEnd(which, event.currentTarget.value)}
          />
        ))}
      </span>
      <fieldset class="steps">
        <legend class="visually-hidden">Move and zoom</legend>
        <button type="button" aria-label="Earlier" onClick={() => onRange(moved(stretch, -0.5, Date.now()))}>
          <Icon name="left" />
        </button>
        <button type="button" aria-label="Later" onClick={() => onRange(moved(stretch, 0.5, Date.now()))}>
          <Icon name="right" />
        </button>
        <button type="button" aria-label="Zoom in" onClick={() => zoom(0.5)}>
          <Icon name="plus" />
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => zoom(2)}>
          <Icon name="minus" />
        </button>
        <button type="button" disabled={onBack === null} onClick={() => onBack?.()}>
          <Icon name="back" /> Back
        </button>
      </fieldset>
      <fieldset class="segments at-end">
        <legend class="visually-hidden">Time zone</legend>
        {(["local", "utc"] as const).map((zone) => (
          <button
            key={zone}
            type="button"
            title={zoneName(zone)}
            aria-pressed={view.zone === zone}
            onClick={() => onChange({ zone })}
          >
            {zone === "utc" ? "UTC" : "Local"}
          </button>
        ))}
      </fieldset>
    </div>
  );
}
