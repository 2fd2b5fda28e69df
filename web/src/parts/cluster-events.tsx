import { now } from "../clock.ts";
import type { ClusterEvent } from "../cluster-events.ts";
import { Ago } from "./time.tsx";

const newMs = 20_000;

/** What changed in the cluster of late; what is new stands out, and screen readers say it. */
export function ClusterEvents(props: { events: ClusterEvent[] }) {
  const { events } = props;
  return (
    <section class="panel" aria-label="Changes">
      <header>
        <h2>Changes</h2>
        <span class="quiet">of the last hour, and while this page is open</span>
      </header>
      <div class="changes-strip" role="log" aria-label="Changes of the cluster">
        <ol class="events">
          {events.length === 0 && <li class="quiet whole">Nothing has changed: no process came or went.</li>}
          {events.map(({ key, atMs, tone, title, detail }) => (
            <li key={key} class={now.value - atMs < newMs ? `${tone} recent` : tone}>
              <span class="what">
                <b>{title}</b>
                {detail && <span class="quiet"> {detail}</span>}
              </span>
              <span aria-live="off">
                <Ago at={new Date(atMs).toISOString()} />
              </span>
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}
