/** What apps hear over WebSocket, made from committed turns. A message of the same key replaces the older one. */
import type { CommittedTurn } from "../actors/host/port.ts";
import type { CommandState } from "../core/device/commands.ts";
import { isConnected, statusOf } from "../core/device/presence.ts";
import type { TwinRecord } from "../core/device/records.ts";
import type { Readings } from "../core/device/telemetry.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { Statistics } from "./fleet-statistics.ts";
import { iso } from "./route.ts";

export type PresenceMessage = {
  readonly type: "presence";
  readonly device: string;
  readonly status: "online" | "offline";
  readonly since: string | null;
  readonly connected: boolean;
  readonly flapping: boolean;
  /** Null where the turn does not tell: the device said nothing in it. */
  readonly lastSeen: string | null;
};

/** `ts` is the newest time of the readings. */
export type TelemetryMessage = {
  readonly type: "telemetry";
  readonly device: string;
  readonly ts: string;
  readonly readings: Readings;
};

/** `state` has desired, reported and delta as far as they are not empty; null for a shadow that was deleted. */
export type ShadowMessage = {
  readonly type: "shadow";
  readonly device: string;
  readonly shadow: string;
  readonly version: number;
  readonly state: JsonObject | null;
};

/** `name` is null for a command that was requested before anybody listened. */
export type CommandMessage = {
  readonly type: "command";
  readonly device: string;
  readonly command: string;
  readonly name: string | null;
  readonly state: CommandState;
};

export type StatsMessage = { readonly type: "stats" } & Statistics;
export type ResyncMessage = { readonly type: "resync" };
export type ErrorMessage = { readonly type: "error"; readonly detail: string };

export type LiveMessage =
  | PresenceMessage
  | TelemetryMessage
  | ShadowMessage
  | CommandMessage
  | StatsMessage
  | ResyncMessage
  | ErrorMessage;

/** Telemetry on its way, with the time of each reading: older ones never replace newer ones. */
export type Reading = { readonly tsMs: number; readonly value: Readings[string] };
export type LiveItem =
  | { readonly kind: "telemetry"; readonly device: string; readonly readings: ReadonlyMap<string, Reading> }
  | { readonly kind: "message"; readonly key: string; readonly message: Exclude<LiveMessage, TelemetryMessage> };

/** Names of commands by device and id: a record of a later state does not hold it. Bounded: the oldest go. */
export class CommandNames {
  readonly #names = new Map<string, string>();
  readonly #most: number;

  constructor(most = 10_000) {
    this.#most = most;
  }

  learn(device: string, command: string, name: string): void {
    const key = `${device} ${command}`;
    this.#names.delete(key);
    this.#names.set(key, name);
    if (this.#names.size <= this.#most) return;
    const oldest = this.#names.keys().next();
    if (!oldest.done) this.#names.delete(oldest.value);
  }

  of(device: string, command: string): string | null {
    return this.#names.get(`${device} ${command}`) ?? null;
  }
}

/** What a turn tells, in its order. */
export function liveItems(turn: CommittedTurn, names: CommandNames): LiveItem[] {
  return turn.records.flatMap((record) => {
    const item = itemOf(record, turn, names);
    return item === null ? [] : [item];
  });
}

function itemOf(record: TwinRecord, { device, sends }: CommittedTurn, names: CommandNames): LiveItem | null {
  switch (record.kind) {
    case "presence":
      return presenceItem(device, record);
    case "telemetry": {
      const { tsMs, readings } = record;
      const read = Object.entries(readings).map(([metric, value]): [string, Reading] => [metric, { tsMs, value }]);
      return { kind: "telemetry", device, readings: new Map(read) };
    }
    case "shadowUpdated":
    case "shadowDeleted": {
      const { shadow, version } = record;
      const state = record.kind === "shadowDeleted" ? null : stateAfter(sends, shadow);
      const message = { type: "shadow", device, shadow, version, state } as const;
      return { kind: "message", key: `shadow ${device} ${shadow}`, message };
    }
    case "commandRequested":
      names.learn(device, record.command, record.name);
      return commandItem(device, record.command, record.name, "queued");
    case "commandMoved":
      return commandItem(device, record.command, names.of(device, record.command), record.to);
    case "registered":
    case "registrationChanged":
    case "deregistered":
    case "seen":
    case "listening":
    case "deadLettered":
      return null;
    default:
      // A kind of a later version is nothing that this one could tell.
      return null;
  }
}

function presenceItem(device: string, { atMs, edge, presence }: Extract<TwinRecord, { kind: "presence" }>): LiveItem {
  const spoke = edge === "connected" || edge === "heard" || (edge === "statusOffline" && presence.phase === "offline");
  const message = {
    type: "presence",
    device,
    status: statusOf(presence),
    since: presence.sinceMs === 0 ? null : iso(presence.sinceMs),
    connected: isConnected(presence),
    flapping: presence.flapping,
    lastSeen: spoke ? iso(atMs) : null,
  } as const;
  return { kind: "message", key: `presence ${device}`, message };
}

function commandItem(device: string, command: string, name: string | null, state: CommandState): LiveItem {
  const message = { type: "command", device, command, name, state } as const;
  return { kind: "message", key: `command ${device} ${command}`, message };
}

/** The whole state after an update: the turn sends it to the device as `documents`, and the delta on its own. */
function stateAfter(sends: CommittedTurn["sends"], shadow: string): JsonObject {
  let state: JsonObject = {};
  let delta: JsonObject = {};
  for (const send of sends) {
    if (send.kind === "shadowDocuments" && send.shadow === shadow && isJsonObject(send.body.current)) {
      if (isJsonObject(send.body.current.state)) state = send.body.current.state;
    } else if (send.kind === "shadowDelta" && send.shadow === shadow && isJsonObject(send.body.state)) {
      delta = { delta: send.body.state };
    }
  }
  return { ...state, ...delta };
}
