/** Rows of the fleet index's tables as what the port gives. */
import type { CommandState } from "../../core/device/commands.ts";
import type { Location } from "../../core/device/registration.ts";
import type { Json } from "../../core/json.ts";
import type { CommandSummary, DeviceSummary } from "./port.ts";

export const deviceColumns =
  "id, type, region, location, firmware_version, tags, created_at, status, since, last_seen, connected, flapping";

type DeviceRow = {
  id: string;
  type: string;
  region: string;
  location: Location | null;
  firmware_version: string | null;
  tags: Record<string, string>;
  created_at: Date;
  status: "online" | "offline";
  since: Date;
  last_seen: Date | null;
  connected: boolean;
  flapping: boolean;
};

export function deviceOf(row: DeviceRow): DeviceSummary {
  const { id, type, region, location, tags, status, connected, flapping } = row;
  return {
    ...{ id, type, region, location, tags, status, connected, flapping },
    firmwareVersion: row.firmware_version,
    createdAtMs: row.created_at.getTime(),
    sinceMs: row.since.getTime(),
    lastSeenMs: row.last_seen?.getTime() ?? 0,
  };
}

export const commandColumns =
  "device_id, id, name, parameters, state, created_at, updated_at, expires_at, progress, result, reason";

type CommandRow = {
  device_id: string;
  id: string;
  name: string;
  parameters: string;
  state: CommandState;
  created_at: Date;
  updated_at: Date;
  expires_at: Date | null;
  progress: string | null;
  result: string | null;
  reason: string | null;
};

export function commandOf(row: CommandRow): CommandSummary {
  return {
    command: row.id,
    device: row.device_id,
    name: row.name,
    parameters: json(row.parameters),
    state: row.state,
    createdAtMs: row.created_at.getTime(),
    updatedAtMs: row.updated_at.getTime(),
    expiresAtMs: row.expires_at?.getTime() ?? null,
    progress: json(row.progress),
    result: json(row.result),
    reason: row.reason,
  };
}

function json(text: string | null): Json {
  return text === null ? null : (JSON.parse(text) as Json);
}
