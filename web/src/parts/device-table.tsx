import { Link } from "wouter-preact";
import type { Device } from "../contract.ts";
import { PresenceBadge } from "./presence-badge.tsx";
import { Ago } from "./time.tsx";

export function DeviceTable(props: { devices: Device[] }) {
  return (
    <div class="scroll">
      <table class="devices">
        <thead>
          <tr>
            <th scope="col">Device</th>
            <th scope="col">Status</th>
            <th scope="col">Last seen</th>
            <th scope="col" class="wide">
              Since
            </th>
            <th scope="col" class="wide">
              Type
            </th>
            <th scope="col" class="wide">
              Region
            </th>
            <th scope="col" class="wider">
              Firmware
            </th>
            <th scope="col" class="wider">
              Tags
            </th>
          </tr>
        </thead>
        <tbody>
          {props.devices.map((device) => (
            <tr key={device.id}>
              <th scope="row">
                <Link class="id" href={`/devices/${encodeURIComponent(device.id)}`}>
                  {device.id}
                </Link>
                <span class="sub narrow">{[device.type, device.region].filter(Boolean).join(" · ")}</span>
              </th>
              <td>
                <PresenceBadge presence={device} />
              </td>
              <td class="when">
                <Ago at={device.lastSeen} />
              </td>
              <td class="when wide">
                <Ago at={device.since} none="–" />
              </td>
              <td class="wide">{device.type}</td>
              <td class="wide">{device.region}</td>
              <td class="wider version">{device.firmwareVersion}</td>
              <td class="wider tags">
                {Object.entries(device.tags).map(([name, value]) => (
                  <span key={name}>
                    <span class="quiet">{name}</span> {value}
                  </span>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
