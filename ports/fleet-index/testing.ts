/** Builders of log entries for the contract and the sinks' tests. Times are epoch ms. */
import { neverSeen, type Presence } from "../../core/device/presence.ts";
import type { PresenceChanged, TelemetryAccepted, TwinRecord } from "../../core/device/records.ts";
import type { Registration } from "../../core/device/registration.ts";
import type { DeviceEvent } from "./port.ts";

export const noonMs = Date.UTC(2025, 10, 21, 12);

/** Numbers the records of `[device, record]` pairs from an offset on. */
export function numbered(from: number, pairs: readonly (readonly [string, TwinRecord])[]): DeviceEvent[] {
  return pairs.map(([device, record], index) => ({ offset: from + index, device, record }));
}

export function aRegistration(registration: Partial<Registration> = {}): Registration {
  return {
    ...{ type: "pump", region: "eu", location: null, tags: {}, firmwareVersion: null, createdAtMs: noonMs },
    ...registration,
  };
}

export function registered(registration: Partial<Registration> = {}, atMs = noonMs): TwinRecord {
  return { kind: "registered", atMs, registration: aRegistration(registration) };
}

export function cameOnline(atMs = noonMs): PresenceChanged {
  const session = { id: `s${atMs}`, connectedAtMs: atMs, node: "n" };
  const presence: Presence = { ...neverSeen, phase: "online", sinceMs: atMs, session };
  return { kind: "presence", atMs, edge: "connected", presence, announced: { status: "online", sinceMs: atMs } };
}

/** Silent for so long that it counts as gone, though still connected. */
export function fellSilent(atMs: number, flapping = false): PresenceChanged {
  const session = { id: "s", connectedAtMs: noonMs, node: "n" };
  const presence: Presence = { ...neverSeen, phase: "offline", sinceMs: atMs, session, flapping };
  return { kind: "presence", atMs, edge: "silenceElapsed", presence, announced: { status: "offline", sinceMs: atMs } };
}

export function telemetry(
  atMs = noonMs,
  readings: TelemetryAccepted["readings"] = { temperature: 21.5 },
): TelemetryAccepted {
  return { kind: "telemetry", atMs, tsMs: atMs, readings, identity: { kind: "sequence", boot: "", seq: atMs } };
}

export function deadLettered(reason: string, atMs = noonMs): TwinRecord {
  const topic = "devices/pump-4/telemetry";
  return {
    kind: "deadLettered",
    atMs,
    topic,
    reason,
    detail: "what to do",
    payload: "{\u0000\ud800",
    encoding: "utf8",
  };
}

export function requested(command: string, atMs = noonMs): TwinRecord {
  return { kind: "commandRequested", atMs, command, name: "reboot", parameters: { in: 5 }, expiresAtMs: null };
}
