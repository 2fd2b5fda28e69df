/** What a run leaves to be judged, and what the judgement is made of. All plain data: the checks are pure. */
import type { TwinRecord } from "../../core/device/records.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import type { CommandSummary, DeviceEvent } from "../../ports/fleet-index/port.ts";
import type { SeriesRow } from "../../ports/time-series/port.ts";
import type { Checkpoint } from "../../ports/twin-store/port.ts";
import type { Journal } from "./journal.ts";

export type Logged = { readonly offset: number; readonly device: string; readonly record: TwinRecord };

/** What is on disk and can be judged after any kill. */
export type Stored = {
  /** From offset 0, in the order in which the log gave it. */
  readonly log: readonly Logged[];
  readonly logEnd: number;
  readonly checkpoints: ReadonlyMap<string, Checkpoint>;
  readonly replayFrom: number;
};

/** A device as the API showed it. */
export type ApiTwin = {
  readonly revision: number;
  readonly status: "online" | "offline";
  readonly connected: boolean;
  readonly shadows: Readonly<Record<string, { state: ShadowState; version: number }>>;
  readonly latest: Readonly<Record<string, { value: Json; count: number }>>;
  readonly commands: readonly { id: string; state: string }[];
};

export type ShadowState = { desired?: JsonObject; reported?: JsonObject; delta?: JsonObject };

/** What the API said when everything had settled. */
export type ApiAnswers = {
  readonly statuses: ReadonlyMap<string, string>;
  readonly twins: ReadonlyMap<string, ApiTwin>;
};

/** What of a row the table of telemetry keeps. */
export type StoredRow = Omit<SeriesRow, "type" | "region">;

export type Facts = Stored & {
  readonly journal: Journal;
  readonly rows: readonly StoredRow[];
  readonly progress: { readonly timeseries: number; readonly fleet: number };
  /** Everything logged before this moment was to be in the sinks. Epoch ms. */
  readonly sinksDueMs: number;
  /** Commands that had to expire before this moment have. Epoch ms. */
  readonly expiriesDueMs: number;
  readonly fleetCommands: readonly CommandSummary[];
  readonly fleetDeadLetters: readonly DeviceEvent[];
  readonly api: ApiAnswers;
  /** What each device's status had to become. */
  readonly expected: ReadonlyMap<string, "online" | "offline">;
  /** Devices that never left of their own accord, as long as the load ran. */
  readonly steady: readonly string[];
  /** Until when. Epoch ms. */
  readonly steadyUntilMs: number;
};

export const violationKinds = [
  "log-gap",
  "telemetry-lost",
  "telemetry-twice",
  "telemetry-invented",
  "row-lost",
  "row-twice",
  "row-invented",
  "dead-letter-lost",
  "dead-letter-twice",
  "dead-letter-invented",
  "shadow-update-lost",
  "shadow-update-twice",
  "shadow-update-invented",
  "shadow-version",
  "shadow-answer",
  "shadow-state",
  "shadow-delta",
  "command-lost",
  "command-twice",
  "command-invented",
  "command-ended-twice",
  "command-end-unfounded",
  "command-word-lost",
  "command-not-expired",
  "command-not-delivered",
  "command-state",
  "presence-not-converged",
  "presence-announcements",
  "restart-announced",
  "twin-not-fold",
  "twin-count",
  "api-not-twin",
  "sink-behind",
  "surprise",
] as const;

/** Where state, outbox and log are three things. */
export const distributedViolationKinds = ["outbox-left", "revision-order"] as const;

export type ViolationKind = (typeof violationKinds)[number] | (typeof distributedViolationKinds)[number];

export type Violation = {
  readonly kind: ViolationKind;
  readonly device: string;
  /** What was found and what should have been, for a person. */
  readonly evidence: string;
};

/** Each device's records, in their order. */
export function byDevice(log: readonly Logged[]): Map<string, Logged[]> {
  const devices = new Map<string, Logged[]>();
  for (const logged of log) {
    const known = devices.get(logged.device);
    if (known === undefined) devices.set(logged.device, [logged]);
    else known.push(logged);
  }
  return devices;
}
