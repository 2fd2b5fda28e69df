/**
 * A batch of log entries folded into what it changes in the fleet index: pure, one pass, so that a batch costs a few
 * statements however many records it holds.
 *
 * G1 Of each device the batch leaves one change, in the order of the log: what a new or ended registration took away is not in it.
 * G2 A device is seen when the twin says so (core/device/evolve.ts).
 */

import type { Presence } from "../../core/device/presence.ts";
import type { CommandMoved, CommandRequested, TwinRecord } from "../../core/device/records.ts";
import type { Registration } from "../../core/device/registration.ts";
import type { Readings } from "../../core/device/telemetry.ts";
import { type DeviceEvent, isEvent } from "./port.ts";

export type Position = { readonly latitude: number; readonly longitude: number };

export type DeviceChange = {
  /** Registered or deregistered in this batch: what was stored goes, before the rest is applied. */
  anew: boolean;
  registration: Registration | null;
  /** When it was registered anew, epoch ms; null if it was not in this batch. */
  registeredMs: number | null;
  presence: Presence | null;
  /** 0 if it was not seen. */
  lastSeenMs: number;
  position: Position | null;
  /** When we heard of the position, epoch ms; 0 without one. */
  positionMs: number;
};

export type CommandChange = {
  readonly device: string;
  readonly command: string;
  /** Null if the command was there before the batch. */
  request: { readonly offset: number; readonly record: CommandRequested } | null;
  /** The moves in one: the newest of each field. */
  moved: CommandMoved | null;
};

export type FleetChanges = {
  readonly devices: Map<string, DeviceChange>;
  readonly commands: Map<string, CommandChange>;
  readonly events: DeviceEvent[];
  /** How many, by reason. */
  readonly deadLetters: Map<string, number>;
};

export function changesOf(entries: readonly DeviceEvent[]): FleetChanges {
  const changes: FleetChanges = { devices: new Map(), commands: new Map(), events: [], deadLetters: new Map() };
  for (const entry of entries) {
    const { device, record } = entry;
    changeDevice(changes.devices, device, record);
    if (isEvent(record)) changes.events.push(entry);
    if (record.kind === "deadLettered")
      changes.deadLetters.set(record.reason, (changes.deadLetters.get(record.reason) ?? 0) + 1);
    if (record.kind === "commandRequested" || record.kind === "commandMoved") changeCommand(changes.commands, entry);
  }
  return changes;
}

/** When the device said something, epoch ms; 0 if the record is not of its saying (G2). */
export function seenMs(record: TwinRecord): number {
  switch (record.kind) {
    case "telemetry":
    case "seen":
    case "deadLettered":
      return record.atMs;
    case "presence":
      return record.edge === "connected" || record.edge === "heard" ? record.atMs : 0;
    default:
      return 0;
  }
}

/** A place on the globe, if the readings name one. */
export function positionOf({ latitude, longitude }: Readings): Position | null {
  if (typeof latitude !== "number" || typeof longitude !== "number") return null;
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : null;
}

const nothing = {
  ...{ registration: null, registeredMs: null, presence: null },
  ...{ lastSeenMs: 0, position: null, positionMs: 0 },
};

function changeDevice(devices: FleetChanges["devices"], id: string, record: TwinRecord): void {
  let change = devices.get(id);
  if (change === undefined) {
    change = { ...nothing, anew: false };
    devices.set(id, change);
  }
  change.lastSeenMs = Math.max(change.lastSeenMs, seenMs(record));
  switch (record.kind) {
    case "telemetry":
      changePosition(change, positionOf(record.readings), record.atMs);
      break;
    case "registered": {
      const { registration, atMs: registeredMs } = record;
      devices.set(id, { ...nothing, anew: true, registration, registeredMs });
      break;
    }
    case "registrationChanged":
      change.registration = record.registration;
      break;
    case "presence":
      change.presence = record.presence;
      break;
    case "deregistered":
      devices.set(id, { ...nothing, anew: true });
  }
}

function changePosition(change: DeviceChange, position: Position | null, atMs: number): void {
  if (position === null) return;
  change.position = position;
  change.positionMs = atMs;
}

function changeCommand(commands: FleetChanges["commands"], { offset, device, record }: DeviceEvent): void {
  if (record.kind === "commandRequested") {
    const { command } = record;
    commands.set(key(device, command), { device, command, request: { offset, record }, moved: null });
  } else if (record.kind === "commandMoved") {
    const { command } = record;
    const change = commands.get(key(device, command)) ?? { device, command, request: null, moved: null };
    change.moved = { ...change.moved, ...record };
    commands.set(key(device, command), change);
  }
}

/** No device id holds a slash. */
function key(device: string, command: string): string {
  return `${device}/${command}`;
}
