import type { TwinPolicy } from "../../core/device/policy.ts";
import type { JsonObject } from "../../core/json.ts";
import type { QualityRules } from "../../core/quality/rules.ts";

/** What a type says of its devices; what it leaves out is as for all. */
export type DeviceTypeSettings = {
  /** Those of the policy's numbers that differ from the defaults. Through `parsePolicy` (core/device/policy.ts). */
  readonly policy: Partial<TwinPolicy>;
  /** Rules of its own, beside or over the defaults. Through `parseQualityRules` (core/quality/rules.ts). */
  readonly quality: QualityRules;
  /** How long raw telemetry is kept, in days; null: as long as the system's option says. */
  readonly retentionDays: number | null;
};

export type DeviceType = DeviceTypeSettings & {
  /** The newest version of its message schema, by which messages are judged; null if it never had one. */
  readonly schema: MessageSchemaVersion | null;
};

/** A version of a type's message schema. Through `MessageSchemas.compile` (ports/message-schema/port.ts). */
export type MessageSchemaVersion = {
  /** From 1 on, without gaps. */
  readonly version: number;
  readonly schema: JsonObject;
  /** Epoch ms of our clock. */
  readonly createdAtMs: number;
};

/**
 * What device types say of their devices: numbers of the policy, quality rules, message schemas, retention.
 *
 * G1 `put` replaces each of the settings that it is given as a whole, and leaves the others; what `all` then gives
 *    equals what was put.
 *    With `replacing`, only if the type's quality rules still are these, in this order, and `false` if not: of two who
 *    change the same rules at once, one does.
 * G2 Versions of a schema are only ever added, one after the other: of two who add the same version one is told `stale`.
 * G3 `revision` is another after each change, from the same moment on as the change itself: what `all` gives after it holds
 *    every change up to it, so that whoever has read a revision need not read the types again while it stands.
 */
export interface DeviceTypes {
  /** A number: cheap to ask. It may move for a change that came to nothing. */
  revision(): Promise<number>;
  /** By type, in order of their names. A type without an entry has the defaults. */
  all(): Promise<Map<string, DeviceType>>;
  /** One type; the defaults if it has no entry. */
  of(type: string): Promise<DeviceType>;
  put(type: string, settings: Partial<DeviceTypeSettings>, replacing?: { quality: QualityRules }): Promise<boolean>;
  /** Back to the defaults in everything, schemas included; false if it had them. */
  remove(type: string): Promise<boolean>;
  /** Adds the version after `replacing`, the newest one that the caller knows (0: none). */
  addSchema(
    type: string,
    schema: JsonObject,
    at: { readonly replacing: number; readonly nowMs: number },
  ): Promise<
    { readonly kind: "added"; readonly version: number } | { readonly kind: "stale"; readonly newest: number }
  >;
  /** Every version, oldest first. */
  schemasOf(type: string): Promise<readonly MessageSchemaVersion[]>;
  /** Days for which raw telemetry is kept, of the types that say it themselves. */
  retentionOf(): Promise<Map<string, number>>;
}

/** A type that says nothing of its own. */
export const plainType: DeviceType = { policy: {}, quality: {}, retentionDays: null, schema: null };
