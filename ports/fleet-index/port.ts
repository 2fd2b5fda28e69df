import type { CommandState } from "../../core/device/commands.ts";
import type { DeadLettered, TwinRecord } from "../../core/device/records.ts";
import type { Registration } from "../../core/device/registration.ts";
import type { Json } from "../../core/json.ts";
import type { Progress } from "../time-series/port.ts";

/** A line of the device list: the twin's registration and presence, as the log says (some 100 ms behind the twin). */
export type DeviceSummary = Registration & {
  readonly id: string;
  readonly status: "online" | "offline";
  /** Since when the status holds. */
  readonly sinceMs: number;
  /** Within 30 s of the truth while messages flow; the twin has the exact one. */
  readonly lastSeenMs: number;
  readonly connected: boolean;
  readonly flapping: boolean;
};

export type DeviceFilter = {
  readonly status?: "online" | "offline";
  readonly flapping?: boolean;
  readonly region?: string;
  readonly type?: string;
  readonly tag?: { readonly name: string; readonly value: string };
  /** Case-insensitive part of the id. */
  readonly search?: string;
};

/** Whether apps see the record among a device's events: telemetry has its own query, and the rest is small talk. */
export function isEvent(record: TwinRecord): boolean {
  return record.kind !== "telemetry" && record.kind !== "seen" && record.kind !== "listening";
}

/** A record of a device as apps see it, at its place in its log: newest first in `events`. */
export type DeviceEvent = { readonly offset: number; readonly device: string; readonly record: TwinRecord };

/** A dead letter at its place in its log; device, time and offset name it. */
export type DeadLetterEvent = DeviceEvent & { readonly record: DeadLettered };

/** `rule`, `type` and `region` find letters that carry them; `type` "default" and `region` "" those that carry none, too. */
export type DeadLetterFilter = {
  readonly device?: string;
  readonly reason?: string;
  /** A quality rule that put it in quarantine. */
  readonly rule?: string;
  readonly type?: string;
  readonly region?: string;
  /** When it reached us: inclusive, epoch ms. */
  readonly fromMs?: number;
  /** Exclusive. */
  readonly toMs?: number;
};

export type CommandSummary = {
  readonly command: string;
  readonly device: string;
  readonly name: string;
  readonly parameters: Json;
  readonly state: CommandState;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly expiresAtMs: number | null;
  readonly progress: Json;
  readonly result: Json;
  readonly reason: string | null;
};

export type FleetStats = {
  readonly devices: number;
  readonly online: number;
  readonly offline: number;
  readonly flapping: number;
  readonly regions: readonly { readonly region: string; readonly devices: number; readonly online: number }[];
  readonly types: readonly { readonly type: string; readonly devices: number; readonly online: number }[];
};

/** Where a device is: what it measured last (readings `latitude` and `longitude`), else where it is registered. */
export type LocatedDevice = {
  readonly id: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly status: "online" | "offline";
};

/** A page of a listing; `next` is the cursor of the following one, null on the last. */
export type Page<T> = { readonly items: readonly T[]; readonly next: string | null };

/**
 * What apps list and search: a projection of the event log with its own progress.
 *
 * F1 `apply` folds log entries in and moves the progress in one transaction; a `from` that is not the stored
 *    progress throws `StaleProgress` and changes nothing. Each partition has a progress of its own and waits for none
 *    of the others, except for a moment where both have to do with one device; one that was never applied begins at any
 *    `from`.
 * F2 Pages are keyset pages: a device that is there throughout appears exactly once, whatever changes meanwhile.
 * F3 A deregistered device is in no list and no number; its events and commands stay.
 * F4 In whatever order and however mixed the partitions of a log are applied, the index is the same in the end, as long
 *    as times are true: a device is registered before or after its telemetry comes, or not at all.
 */
export interface FleetIndex {
  /** In the log of the embedded mode: 0 at first. */
  progress(): Promise<number>;
  /** In a partition; null: it has never been there. */
  progressIn(partition: string): Promise<number | null>;
  /** Throws `RowsRefused`, and applies nothing, when one can never be stored. */
  apply(entries: readonly DeviceEvent[], progress: Progress): Promise<void>;
  /**
   * Writes when and where devices were last seen, of those that were silent since `beforeMs`: telemetry alone is not
   * written with each batch, and their going offline comes by another partition. To be called every few seconds.
   */
  settleSightings(beforeMs: number): Promise<void>;
  device(id: string): Promise<DeviceSummary | null>;
  /** By id, ascending. A malformed cursor throws `BadCursor`. */
  devices(filter: DeviceFilter, page: { cursor: string | null; limit: number }): Promise<Page<DeviceSummary>>;
  /** How many devices match. */
  count(filter: DeviceFilter): Promise<number>;
  /** Up to a second old. */
  stats(): Promise<FleetStats>;
  /** For a map: at most `limit` devices whose place is known, by id. */
  located(limit: number): Promise<LocatedDevice[]>;
  /** Dead letters by reason, since ever: a trim takes none away. */
  deadLetterCounts(): Promise<Readonly<Record<string, number>>>;
  /** device-events and dead letters of one device (or of all: null), newest first; see `isEvent`. */
  events(
    query: { device: string | null; kinds?: readonly TwinRecord["kind"][] },
    page: { cursor: string | null; limit: number },
  ): Promise<Page<DeviceEvent>>;
  /** Newest first. */
  deadLetters(filter: DeadLetterFilter, page: { cursor: string | null; limit: number }): Promise<Page<DeadLetterEvent>>;
  deadLetter(place: {
    readonly device: string;
    readonly atMs: number;
    readonly offset: number;
  }): Promise<DeadLetterEvent | null>;
  /** Newest first; of one device, or of all. */
  commands(
    query: { device: string | null; state?: CommandState },
    page: { cursor: string | null; limit: number },
  ): Promise<Page<CommandSummary>>;
  command(device: string, command: string): Promise<CommandSummary | null>;
  /** Forgets events older than `epochMs`, and commands that ended before it. */
  trimEvents(epochMs: number): Promise<void>;
}

/** A cursor that this index did not make. */
export class BadCursor extends Error {
  override readonly name = "BadCursor";
  readonly code = "BAD_CURSOR";
  readonly retry = "never";
}
