import type { Json, JsonObject } from "../json.ts";
import type { CommandState } from "./commands.ts";
import type { Presence, PresenceEdge } from "./presence.ts";
import type { Registration } from "./registration.ts";
import type { MessageIdentity, Readings } from "./telemetry.ts";

/**
 * What happened to a device: the content of the event log. The records of one device, folded by `evolve` in their
 * order, are its twin. Kinds and fields are only ever added: old logs stay readable.
 * `atMs` is our clock's epoch ms at the turn.
 */
export type TwinRecord =
  | { readonly kind: "registered"; readonly atMs: number; readonly registration: Registration }
  | { readonly kind: "registrationChanged"; readonly atMs: number; readonly registration: Registration }
  | { readonly kind: "deregistered"; readonly atMs: number }
  | PresenceChanged
  | {
      readonly kind: "seen";
      readonly atMs: number;
      readonly why: "heartbeat" | "duplicate" | "request";
      /** Duplicates that one payload held; absent: 1. */
      readonly count?: number;
      /** Of duplicates: as the device was registered then; absent: "default" and "". */
      readonly type?: string;
      readonly region?: string;
    }
  /** The session has subscribed to its commands topic: commands can be sent to it from now on. */
  | { readonly kind: "listening"; readonly atMs: number; readonly session: string }
  | TelemetryAccepted
  | DeadLettered
  | ShadowUpdated
  | { readonly kind: "shadowDeleted"; readonly atMs: number; readonly shadow: string; readonly version: number }
  | CommandRequested
  | CommandMoved;

/** A step of the presence machine. `announced` is there when what apps are told has changed. */
export type PresenceChanged = {
  readonly kind: "presence";
  readonly atMs: number;
  readonly edge: PresenceEdge["type"];
  /** Why a connection ended, in the gateway's words: "socket closed", "keep-alive elapsed", "taken over", … */
  readonly reason?: string;
  readonly presence: Presence;
  readonly announced?: { readonly status: "online" | "offline"; readonly sinceMs: number };
  readonly flapping?: "started" | "ended";
};

export type TelemetryAccepted = {
  readonly kind: "telemetry";
  /** When we received it, epoch ms. */
  readonly atMs: number;
  /** The device's own time of the reading, epoch ms. */
  readonly tsMs: number;
  readonly readings: Readings;
  readonly tags?: Readonly<Record<string, string>>;
  readonly identity: MessageIdentity;
  /** As the device was registered then; absent: "default" and "". */
  readonly type?: string;
  readonly region?: string;
  /** Names of the quality rules that a metric broke and that only flag, by metric; "" is the message as a whole. */
  readonly flags?: Readonly<Record<string, readonly string[]>>;
  /** Of the metrics under a stuck-sensor rule: since when (tsMs) each has had its value. */
  readonly unchangedSince?: Readonly<Record<string, number>>;
};

/** A message that could not be processed, kept whole (up to the packet limit) with its reason. */
export type DeadLettered = {
  readonly kind: "deadLettered";
  readonly atMs: number;
  readonly topic: string;
  /** A word from a closed list, for counting: see `RefusalReason` in telemetry.ts and the gateways'. */
  readonly reason: string;
  /** The sentence that says what was wrong and what to do. */
  readonly detail: string;
  readonly payload: string;
  readonly encoding: "utf8" | "base64";
  /** As the device was registered then; absent: "default" and "". */
  readonly type?: string;
  readonly region?: string;
  /** The quality rules that put it in quarantine (reason "quarantined"): a metric, "" for the message as a whole. */
  readonly broken?: readonly { readonly rule: string; readonly metric: string }[];
};

export type ShadowUpdated = {
  readonly kind: "shadowUpdated";
  readonly atMs: number;
  readonly shadow: string;
  /** The version after this update. */
  readonly version: number;
  /** As sent: nulls remove keys; a null section removes the section. Absent: untouched. */
  readonly desired?: JsonObject | null;
  readonly reported?: JsonObject | null;
  readonly by: "device" | "app";
};

export type CommandRequested = {
  readonly kind: "commandRequested";
  readonly atMs: number;
  readonly command: string;
  readonly name: string;
  readonly parameters: Json;
  readonly expiresAtMs: number | null;
};

export type CommandMoved = {
  readonly kind: "commandMoved";
  readonly atMs: number;
  readonly command: string;
  readonly to: CommandState;
  readonly progress?: Json;
  readonly result?: Json;
  readonly reason?: string;
};

/** The log topic a record belongs to (design: names on the wire). */
export function topicOf(record: TwinRecord): "iot-telemetry" | "device-events" | "dead-letter" {
  switch (record.kind) {
    case "telemetry":
      return "iot-telemetry";
    case "deadLettered":
      return "dead-letter";
    default:
      return "device-events";
  }
}
