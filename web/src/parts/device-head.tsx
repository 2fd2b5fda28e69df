import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import type { DeviceDetail, Place } from "../contract.ts";
import { PresenceBadge } from "./presence-badge.tsx";
import { Ago, Time } from "./time.tsx";

export function DeviceHead(props: { device: DeviceDetail; onEdit: () => void; onRemove: () => void }) {
  const { device } = props;
  const tags = Object.entries(device.tags);
  return (
    <section class="panel device-head" aria-label="Device">
      <div class="device-name">
        <nav aria-label="Breadcrumb">
          <Link href="/devices">Devices</Link> <span aria-hidden="true">/</span>
        </nav>
        <h1 class="mono">{device.id}</h1>
        <span role="status">
          <PresenceBadge presence={device} />
        </span>
        <span class="at-end actions">
          <button type="button" onClick={props.onEdit}>
            Edit
          </button>
          <button type="button" class="danger" onClick={props.onRemove}>
            Delete
          </button>
        </span>
      </div>
      <dl class="facts">
        <Fact name={device.status === "online" ? "Online since" : "Offline since"}>
          <Time at={device.since} />
        </Fact>
        <Fact name="Last seen">
          <Ago at={device.lastSeen} />
        </Fact>
        <Fact name="Connection">{device.connected ? "open" : "none"}</Fact>
        <Fact name="Type">{device.type}</Fact>
        <Fact name="Region">{device.region || <span class="quiet">none</span>}</Fact>
        <Fact name="Location">{place(device.location)}</Fact>
        <Fact name="Firmware">{device.firmwareVersion ?? <span class="quiet">unknown</span>}</Fact>
        <Fact name="Registered">
          <Time at={device.createdAt} />
        </Fact>
        {tags.length > 0 && (
          <Fact name="Tags">
            <span class="tags">
              {tags.map(([name, value]) => (
                <Link key={name} href={`/devices?tag=${encodeURIComponent(`${name}:${value}`)}`}>
                  <span class="quiet">{name}</span> {value}
                </Link>
              ))}
            </span>
          </Fact>
        )}
      </dl>
    </section>
  );
}

function Fact(props: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function place(location: Place | null) {
  if (!location) return <span class="quiet">unknown</span>;
  const { name, latitude, longitude } = location;
  const position = latitude === undefined || longitude === undefined ? "" : degrees(latitude, longitude);
  return name ? <span title={position}>{name}</span> : position;
}

function degrees(latitude: number, longitude: number): string {
  const side = (value: number, positive: string, negative: string) =>
    `${Math.abs(value).toFixed(3)}° ${value < 0 ? negative : positive}`;
  return `${side(latitude, "N", "S")} ${side(longitude, "E", "W")}`;
}
