import { formatWords } from "../format.ts";
import { mostMetrics } from "../history/view.ts";

/** The metrics that the devices have, those chosen pressed. One that none of them has (any more) can be taken out. */
export function MetricPicker(props: {
  metrics: string[];
  /** How many of the devices have each; null: not known yet. */
  known: Map<string, number> | null;
  devices: number;
  /** Two of them in one chart; null: there are not two. */
  together: boolean | null;
  onTogether: (together: boolean) => void;
  onChange: (metrics: string[]) => void;
}) {
  const { metrics, known, devices, together, onTogether, onChange } = props;
  const names = [...new Set([...(known?.keys() ?? []), ...metrics])].sort((a, b) => a.localeCompare(b));
  const toggle = (name: string) =>
    onChange(metrics.includes(name) ? metrics.filter((one) => one !== name) : [...metrics, name]);
  return (
    <fieldset class="picker">
      <legend>Metrics</legend>
      {known === null && names.length === 0 && <p class="quiet">Loading…</p>}
      {known !== null && names.length === 0 && <p class="quiet">These devices have not measured anything yet.</p>}
      <ul class="chips">
        {names.map((name) => {
          const pressed = metrics.includes(name);
          const having = known?.get(name) ?? 0;
          return (
            <li key={name}>
              <button
                type="button"
                class="toggle"
                aria-pressed={pressed}
                disabled={!pressed && metrics.length >= mostMetrics}
                onClick={() => toggle(name)}
                title={name}
              >
                {formatWords(name)}
                {known && having < devices && (
                  <small class="quiet">
                    <span aria-hidden="true">
                      {having}/{devices}
                    </span>
                    <span class="visually-hidden">
                      , of {having} of {devices} devices
                    </span>
                  </small>
                )}
              </button>
            </li>
          );
        })}
        {together !== null && (
          <li>
            <label class="check one-chart">
              <input type="checkbox" checked={together} onChange={(event) => onTogether(event.currentTarget.checked)} />
              In one chart
            </label>
          </li>
        )}
      </ul>
    </fieldset>
  );
}
