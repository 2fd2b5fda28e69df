import { useState } from "preact/hooks";
import { api } from "../api.ts";
import type { DeviceEvent } from "../contract.ts";
import { eventKey, eventKinds } from "../describe-event.ts";
import { asProblem, type Problem } from "../problem.ts";
import { useLive, useThrottled } from "../use-live.ts";
import { useResource } from "../use-resource.ts";
import { EventList } from "./event-list.tsx";
import { ProblemBox } from "./problem-box.tsx";

/** The newest events of the fleet, or of one device, kept current; older ones on demand. */
export function RecentEvents(props: { device?: string }) {
  const { device } = props;
  const about = { ...(device === undefined ? {} : { device }), kinds: eventKinds, limit: device ? 15 : 12 };
  const newest = useResource(`events/${device ?? ""}`, (signal) => api.events(about, signal));
  const [older, setOlder] = useState<{ items: DeviceEvent[]; next: string | null } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const refresh = useThrottled(newest.reload, 2000);
  useLive(device === undefined ? "fleet" : `device:${device}`, (message) => {
    if (message.type !== "presence" && message.type !== "shadow" && message.type !== "command") return;
    if (device === undefined || message.device === device) refresh();
  });

  const first = newest.data?.items ?? [];
  const seen = new Set(first.map(eventKey));
  const events = [...first, ...(older?.items ?? []).filter((event) => !seen.has(eventKey(event)))];
  const next = older ? older.next : (newest.data?.next ?? null);
  const more = () =>
    api.events({ ...about, cursor: next, limit: 50 }).then(
      (page) => setOlder({ items: [...events.slice(0), ...page.items], next: page.next }),
      (error: unknown) => setProblem(asProblem(error)),
    );

  return (
    <section class="panel" aria-label="Recent events">
      <header>
        <h2>Recent events</h2>
      </header>
      {(newest.problem ?? problem) && <ProblemBox problem={(newest.problem ?? problem)!} onRetry={newest.reload} />}
      {newest.data && events.length === 0 && <p class="none">Nothing has happened yet.</p>}
      <EventList events={events} withDevice={device === undefined} />
      {next && (
        <div class="panel-foot">
          <button type="button" onClick={more}>
            Older events
          </button>
        </div>
      )}
    </section>
  );
}
