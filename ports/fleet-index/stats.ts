import type { FleetStats } from "./port.ts";

/** Devices that are alike in all that is counted. */
export type DeviceGroup = {
  readonly region: string;
  readonly type: string;
  readonly status: "online" | "offline";
  readonly flapping: boolean;
  readonly count: number;
};

/** The fleet's numbers, from groups in any order; regions and types by name. */
export function statsOf(groups: readonly DeviceGroup[]): FleetStats {
  const count = (counted: (group: DeviceGroup) => boolean) =>
    groups.reduce((sum, group) => (counted(group) ? sum + group.count : sum), 0);
  const devices = count(() => true);
  const online = count((group) => group.status === "online");
  return {
    devices,
    online,
    offline: devices - online,
    flapping: count((group) => group.flapping),
    regions: tally(groups, (group) => group.region).map(([region, numbers]) => ({ region, ...numbers })),
    types: tally(groups, (group) => group.type).map(([type, numbers]) => ({ type, ...numbers })),
  };
}

function tally(groups: readonly DeviceGroup[], nameOf: (group: DeviceGroup) => string) {
  const numbers = new Map<string, { devices: number; online: number }>();
  for (const group of groups) {
    const { devices, online } = numbers.get(nameOf(group)) ?? { devices: 0, online: 0 };
    const added = group.status === "online" ? group.count : 0;
    numbers.set(nameOf(group), { devices: devices + group.count, online: online + added });
  }
  return [...numbers].sort(([a], [b]) => (a < b ? -1 : 1));
}
