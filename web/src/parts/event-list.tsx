import { Link } from "wouter-preact";
import type { DeviceEvent } from "../contract.ts";
import { describeEvent, eventKey } from "../describe-event.ts";
import { Time } from "./time.tsx";

/** Events, newest first; `of` names the devices unless all are of one. */
export function EventList(props: { events: DeviceEvent[]; withDevice: boolean }) {
  return (
    <ol class={props.withDevice ? "events with-device" : "events"}>
      {props.events.map((event) => {
        const { tone, title, detail } = describeEvent(event);
        return (
          <li key={eventKey(event)} class={tone}>
            <Time at={event.at} />
            {props.withDevice && (
              <Link class="id" href={`/devices/${encodeURIComponent(event.device)}`}>
                {event.device}
              </Link>
            )}
            <span class="what">
              <b>{title}</b>
              {detail && <span class="quiet"> {detail}</span>}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
