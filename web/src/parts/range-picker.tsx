import { useState } from "preact/hooks";
import { type ChartRange, presets, rangeKey } from "../chart-range.ts";
import { toLocalInput } from "../format.ts";

/** Presets, or any stretch by two local times. */
export function RangePicker(props: {
  range: ChartRange;
  shown: { fromMs: number; toMs: number } | null;
  onChange: (range: ChartRange) => void;
}) {
  const { range, shown, onChange } = props;
  const [open, setOpen] = useState(false);
  const fixed = range.kind === "fixed";
  const setEnd = (which: "fromMs" | "toMs", value: string) => {
    const ms = new Date(value).getTime();
    if (Number.isNaN(ms) || !shown) return;
    const next = { fromMs: shown.fromMs, toMs: shown.toMs, [which]: ms };
    if (next.fromMs < next.toMs) onChange({ kind: "fixed", ...next });
  };
  return (
    <div class="range at-end">
      <fieldset class="segments">
        <legend class="visually-hidden">Time shown</legend>
        {presets.map((preset) => (
          <button
            key={preset.name}
            type="button"
            aria-pressed={rangeKey(range) === rangeKey(preset.range)}
            onClick={() => {
              setOpen(false);
              onChange(preset.range);
            }}
          >
            {preset.name}
          </button>
        ))}
        <button type="button" aria-pressed={fixed} aria-expanded={open || fixed} onClick={() => setOpen(!open)}>
          Custom
        </button>
      </fieldset>
      {(open || fixed) && shown && (
        <span class="range-ends">
          <input
            type="datetime-local"
            aria-label="From, local time"
            value={toLocalInput(shown.fromMs)}
            onChange={(event) => setEnd("fromMs", event.currentTarget.value)}
          />
          <span aria-hidden="true">–</span>
          <input
            type="datetime-local"
            aria-label="To, local time"
            value={toLocalInput(shown.toMs)}
            onChange={(event) => setEnd("toMs", event.currentTarget.value)}
          />
        </span>
      )}
    </div>
  );
}
