import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { now } from "../clock.ts";
import type { DeviceDetail } from "../contract.ts";
import { formatDuration, formatLocal } from "../format.ts";
import { presenceSpans, uptime } from "../presence-spans.ts";
import { useLive, useThrottled } from "../use-live.ts";
import { useResource } from "../use-resource.ts";
import { ProblemBox } from "./problem-box.tsx";

const hourMs = 3_600_000;
const windows = [
  { name: "1 h", ms: hourMs },
  { name: "24 h", ms: 24 * hourMs },
  { name: "7 d", ms: 7 * 24 * hourMs },
];
const ticks = 6;

/** When the device was there: announced changes only, so short reconnects do not show. */
export function PresenceTimeline(props: { device: DeviceDetail }) {
  const { device } = props;
  const [windowMs, setWindowMs] = useState(() => firstWindow(Date.now() - Date.parse(device.createdAt)));
  const events = useResource(`presence/${device.id}`, (signal) =>
    api.events({ device: device.id, kinds: "presence", limit: 500 }, signal),
  );
  const refresh = useThrottled(events.reload, 1000);
  useLive(`device:${device.id}`, (message) => {
    if (message.type === "presence" && message.device === device.id) refresh();
  });

  const toMs = now.value;
  const fromMs = toMs - windowMs;
  const current = { status: device.status, sinceMs: device.since ? Date.parse(device.since) : null };
  const spans = presenceSpans(events.data?.items ?? [], current, fromMs, toMs);
  const share = uptime(spans);
  const losses = spans.filter((span, at) => span.status === "offline" && at > 0).length;
  const summary = share === null ? "" : `${(share * 100).toFixed(share > 0.999 || share < 0.001 ? 0 : 1)} % online`;
  const lost = losses === 0 ? "" : ` · lost ${losses === 1 ? "once" : `${losses} times`}`;
  return (
    <section class="panel timeline" aria-label="Presence">
      <header>
        <h2>Presence</h2>
        <span class="quiet">
          {summary}
          {lost}
        </span>
        <fieldset class="segments at-end">
          <legend class="visually-hidden">Time shown</legend>
          {windows.map(({ name, ms }) => (
            <button key={name} type="button" aria-pressed={ms === windowMs} onClick={() => setWindowMs(ms)}>
              {name}
            </button>
          ))}
        </fieldset>
      </header>
      {events.problem && <ProblemBox problem={events.problem} onRetry={events.reload} />}
      <div class="strip" role="img" aria-label={`Presence: ${summary}${lost}`}>
        {spans.map((span) => (
          <i
            key={span.fromMs}
            class={span.status}
            style={{
              left: `${((span.fromMs - fromMs) / windowMs) * 100}%`,
              width: `${((span.toMs - span.fromMs) / windowMs) * 100}%`,
            }}
            title={`${span.status} ${formatDuration(span.toMs - span.fromMs)}, from ${formatLocal(span.fromMs, toMs)}`}
          />
        ))}
      </div>
      <div class="strip-ticks" aria-hidden="true">
        {Array.from({ length: ticks + 1 }, (_, at) => {
          const back = windowMs * (1 - at / ticks);
          return <span key={back}>{back === 0 ? "now" : `−${shortSpan(back)}`}</span>;
        })}
      </div>
    </section>
  );
}

/** A day, unless the device is so new that all of its life fits into an hour. */
function firstWindow(ageMs: number): number {
  return ageMs < hourMs ? hourMs : 24 * hourMs;
}

function shortSpan(ms: number): string {
  if (ms <= hourMs) return `${Math.round(ms / 60_000)} min`;
  if (ms <= 24 * hourMs) return `${Math.round(ms / hourMs)} h`;
  const days = ms / (24 * hourMs);
  return `${Number.isInteger(days) ? days : days.toFixed(1)} d`;
}
