/** A record of the log as apps see it: times in ISO 8601, inner state of the twin left out. */
import type { TwinRecord } from "../core/device/records.ts";
import type { Registration } from "../core/device/registration.ts";
import { unreachable } from "../core/unreachable.ts";
import type { DeviceEvent } from "../ports/fleet-index/port.ts";
import { iso } from "./route.ts";

export const eventKinds = [
  "registered",
  "registrationChanged",
  "deregistered",
  "presence",
  "listening",
  "shadowUpdated",
  "shadowDeleted",
  "commandRequested",
  "commandMoved",
  "deadLettered",
] as const satisfies readonly TwinRecord["kind"][];

export type EventView = {
  offset: number;
  device: string;
  kind: TwinRecord["kind"];
  at: string;
  [field: string]: unknown;
};

export function eventView({ offset, device, record }: DeviceEvent): EventView {
  return { offset, device, kind: record.kind, at: iso(record.atMs), ...fieldsOf(record) };
}

function fieldsOf(record: TwinRecord): Record<string, unknown> {
  switch (record.kind) {
    case "registered":
    case "registrationChanged":
      return { registration: registrationView(record.registration) };
    case "deregistered":
      return {};
    case "presence": {
      const { edge, reason, announced, flapping } = record;
      return {
        edge,
        ...(reason !== undefined && { reason }),
        ...(announced !== undefined && { status: announced.status, since: iso(announced.sinceMs) }),
        ...(flapping !== undefined && { flapping }),
      };
    }
    case "telemetry": {
      const { tsMs, readings, tags } = record;
      return { ts: iso(tsMs), readings, ...(tags !== undefined && { tags }) };
    }
    case "commandRequested": {
      const { command, name, parameters, expiresAtMs } = record;
      return { command, name, parameters, expiresAt: expiresAtMs === null ? null : iso(expiresAtMs) };
    }
    case "seen":
    case "listening":
    case "shadowUpdated":
    case "shadowDeleted":
    case "commandMoved":
    case "deadLettered": {
      const { kind: _kind, atMs: _atMs, ...fields } = record;
      return fields;
    }
    default:
      return unreachable(record);
  }
}

function registrationView({ createdAtMs, ...registration }: Registration): Record<string, unknown> {
  return { ...registration, createdAt: iso(createdAtMs) };
}
