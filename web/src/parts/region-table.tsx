import { Link } from "wouter-preact";
import type { Stats } from "../contract.ts";
import { formatNumber } from "../format.ts";

/** Devices by region, with a bar of how many are online. */
export function RegionTable(props: { regions: Stats["regions"] }) {
  const regions = [...props.regions].sort((a, b) => b.devices - a.devices || a.region.localeCompare(b.region));
  const most = Math.max(1, ...regions.map((region) => region.devices));
  return (
    <div class="scroll">
      <table class="regions">
        <thead>
          <tr>
            <th scope="col">Region</th>
            <th scope="col" class="bar-column">
              <span class="visually-hidden">Share online</span>
            </th>
            <th scope="col" class="number">
              Online
            </th>
            <th scope="col" class="number">
              Devices
            </th>
          </tr>
        </thead>
        <tbody>
          {regions.map(({ region, devices, online }) => (
            <tr key={region}>
              <th scope="row">
                {region === "" ? (
                  <span class="quiet">none</span>
                ) : (
                  <Link href={`/devices?region=${encodeURIComponent(region)}`}>{region}</Link>
                )}
              </th>
              <td class="bar-column">
                <span class="bar" style={{ width: `${(devices / most) * 100}%` }} aria-hidden="true">
                  <span style={{ width: `${devices === 0 ? 0 : (online / devices) * 100}%` }} />
                </span>
              </td>
              <td class="number">{formatNumber(online)}</td>
              <td class="number">{formatNumber(devices)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
