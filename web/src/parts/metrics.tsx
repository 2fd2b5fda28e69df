import { useState } from "preact/hooks";
import type { DeviceDetail, Latest } from "../contract.ts";
import { formatNumber, formatValue, formatWords } from "../format.ts";
import { lazy } from "./lazy.tsx";
import { Ago } from "./time.tsx";

const MetricHistory = lazy(() => import("./metric-history.tsx").then((part) => part.MetricHistory));

/** Latest values with their statistics; the chosen one is charted beside the list. */
export function Metrics(props: { device: DeviceDetail }) {
  const { device } = props;
  const metrics = Object.entries(device.latest).sort(([a], [b]) => a.localeCompare(b));
  const [chosen, setChosen] = useState(() => liveliest(metrics));
  const metric = chosen !== null && chosen in device.latest ? chosen : liveliest(metrics);
  const latest = metric === null ? undefined : device.latest[metric];
  if (metric === null || !latest) {
    return (
      <section class="panel" aria-label="Metrics">
        <header>
          <h2>Metrics</h2>
        </header>
        <p class="none">
          No reading yet. The device publishes them to <code>devices/{device.id}/telemetry</code>.
        </p>
      </section>
    );
  }
  return (
    <div class="columns metrics">
      <section class="panel" aria-label="Metrics">
        <header>
          <h2>Metrics</h2>
          <span class="quiet">{formatNumber(metrics.length)}</span>
        </header>
        <ul class="metric-list">
          {metrics.map(([name, state]) => (
            <li key={name}>
              <button type="button" aria-pressed={name === metric} onClick={() => setChosen(name)}>
                <span class="metric-name">{formatWords(name)}</span>
                <span class="metric-value">{formatValue(state.value)}</span>
                <span class="metric-note">
                  <Ago at={state.ts} />
                </span>
                <span class="metric-note">{state.count > 0 && `mean ${formatNumber(state.mean)}`}</span>
              </button>
            </li>
          ))}
        </ul>
      </section>
      <section class="panel" aria-label={`History of ${metric}`}>
        <MetricHistory key={metric} device={device.id} metric={metric} latest={latest} />
        <Statistics latest={latest} />
      </section>
    </div>
  );
}

function Statistics(props: { latest: Latest }) {
  const { value, ts, count, mean, min, max, stddev } = props.latest;
  const facts: [string, string][] = [["Latest", formatValue(value)]];
  if (count > 0) {
    facts.push(["Mean", formatNumber(mean)], ["Min", formatNumber(min)], ["Max", formatNumber(max)]);
    facts.push(["Std dev", formatNumber(stddev)], ["Readings", formatNumber(count)]);
  }
  return (
    <dl class="facts statistics">
      {facts.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
      <div>
        <dt>Measured</dt>
        <dd>
          <Ago at={ts} />
        </dd>
      </div>
    </dl>
  );
}

/** What to show at first: the number that varies most for its size; a flat line tells little. */
function liveliest(metrics: [string, Latest][]): string | null {
  const variation = ([, { value, mean, stddev }]: [string, Latest]) =>
    typeof value === "number" ? stddev / Math.max(1e-9, Math.abs(mean)) : -1;
  const [first] = [...metrics].sort((a, b) => variation(b) - variation(a));
  return first?.[0] ?? null;
}
