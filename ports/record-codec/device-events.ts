/**
 * Records of the topic device-events as values of schemas/device-events.avsc, in the form that avsc takes and gives: the
 * event's kind is the name of a branch. Absent and null stay apart: a JSON field that is null is absent, "null" is null.
 */

import type { Presence } from "../../core/device/presence.ts";
import type { DeadLettered, TelemetryAccepted, TwinRecord } from "../../core/device/records.ts";
import type { Registration } from "../../core/device/registration.ts";
import type { Json } from "../../core/json.ts";
import { unreachable } from "../../core/unreachable.ts";
import { nothingLeft } from "./covered.ts";

export type DeviceEvent = Exclude<TwinRecord, TelemetryAccepted | DeadLettered>;

/** An avsc value of a union's branch. */
export type Branch = { readonly [name: string]: Readonly<Record<string, unknown>> };

/** The event's branch. @throws TypeError for a field that the schema does not have */
export function branchOf(record: DeviceEvent): Branch {
  switch (record.kind) {
    case "registered":
    case "registrationChanged": {
      const { kind, atMs: _, registration, ...rest } = record;
      nothingLeft(rest);
      const { type, region, location, tags, firmwareVersion, createdAtMs, ...more } = registration;
      nothingLeft(more);
      if (location !== null) {
        const { name: _n, latitude: _a, longitude: _o, ...other } = location;
        nothingLeft(other);
      }
      const value = { type, region, location, tags, firmwareVersion, createdAtMs };
      return { [kind === "registered" ? "doppel.Registered" : "doppel.RegistrationChanged"]: { registration: value } };
    }
    case "deregistered": {
      const { kind: _k, atMs: _a, ...rest } = record;
      nothingLeft(rest);
      return { "doppel.Deregistered": {} };
    }
    case "presence": {
      const { kind: _k, atMs: _a, edge, reason, presence, announced, flapping, ...rest } = record;
      nothingLeft(rest);
      const presenceJson = JSON.stringify(presence);
      return { "doppel.Presence": { edge, reason, presenceJson, announced, flapping } };
    }
    case "seen": {
      const { kind: _k, atMs: _a, why, count, type, region, ...rest } = record;
      nothingLeft(rest);
      return { "doppel.Seen": { why, count, type, region } };
    }
    case "listening": {
      const { kind: _k, atMs: _a, session, ...rest } = record;
      nothingLeft(rest);
      return { "doppel.Listening": { session } };
    }
    case "shadowUpdated": {
      const { kind: _k, atMs: _a, shadow, version, desired, reported, by, ...rest } = record;
      nothingLeft(rest);
      const sections = { desiredJson: jsonOf(desired), reportedJson: jsonOf(reported) };
      return { "doppel.ShadowUpdated": { shadow, version, ...sections, by } };
    }
    case "shadowDeleted": {
      const { kind: _k, atMs: _a, shadow, version, ...rest } = record;
      nothingLeft(rest);
      return { "doppel.ShadowDeleted": { shadow, version } };
    }
    case "commandRequested": {
      const { kind: _k, atMs: _a, command, name, parameters, expiresAtMs, ...rest } = record;
      nothingLeft(rest);
      return { "doppel.CommandRequested": { command, name, parametersJson: JSON.stringify(parameters), expiresAtMs } };
    }
    case "commandMoved": {
      const { kind: _k, atMs: _a, command, to, progress, result, reason, ...rest } = record;
      nothingLeft(rest);
      const told = { progressJson: jsonOf(progress), resultJson: jsonOf(result), reason };
      return { "doppel.CommandMoved": { command, to, ...told } };
    }
    default:
      return unreachable(record);
  }
}

/** A value by any version of the schema: what that one does not have is undefined, which the defaults below see to. */
type Given = { readonly [F in Field]: never };
type Field =
  | ("registration" | "edge" | "presenceJson" | "announced" | "why" | "session" | "shadow" | "version" | "by")
  | ("desiredJson" | "reportedJson" | "command" | "name" | "parametersJson" | "expiresAtMs" | "to")
  | ("progressJson" | "resultJson");

/** The record of a branch, of this schema's version or another; null: its kind is none that we know. */
export function eventOf(atMs: number, branch: Branch): DeviceEvent | null {
  const [name, value] = Object.entries(branch)[0] ?? ["", {}];
  const given = value as Given;
  switch (name) {
    case "doppel.Registered":
      return { kind: "registered", atMs, registration: registrationOf(given.registration) };
    case "doppel.RegistrationChanged":
      return { kind: "registrationChanged", atMs, registration: registrationOf(given.registration) };
    case "doppel.Deregistered":
      return { kind: "deregistered", atMs };
    case "doppel.Presence": {
      const { edge, presenceJson, announced } = given;
      const told = { ...optional("reason", given), presence: JSON.parse(presenceJson) as Presence };
      const announcement = announced == null ? {} : { announced: plain(announced, ["status", "sinceMs"]) as never };
      return { kind: "presence", atMs, edge, ...told, ...announcement, ...optional("flapping", given) };
    }
    case "doppel.Seen":
      return { kind: "seen", atMs, why: given.why, ...plain(given, ["count", "type", "region"]) };
    case "doppel.Listening":
      return { kind: "listening", atMs, session: given.session };
    case "doppel.ShadowUpdated": {
      const { shadow, version, by, desiredJson, reportedJson } = given;
      const sections = { ...parsed("desired", desiredJson), ...parsed("reported", reportedJson) };
      return { kind: "shadowUpdated", atMs, shadow, version, ...(sections as object), by };
    }
    case "doppel.ShadowDeleted":
      return { kind: "shadowDeleted", atMs, shadow: given.shadow, version: given.version };
    case "doppel.CommandRequested": {
      const { command, name: commandName, parametersJson, expiresAtMs = null } = given;
      const parameters = JSON.parse(parametersJson) as Json;
      return { kind: "commandRequested", atMs, command, name: commandName, parameters, expiresAtMs };
    }
    case "doppel.CommandMoved": {
      const { command, to, progressJson, resultJson } = given;
      const told = { ...parsed("progress", progressJson), ...parsed("result", resultJson) };
      return { kind: "commandMoved", atMs, command, to, ...told, ...optional("reason", given) };
    }
    default:
      return null;
  }
}

function registrationOf(value: { readonly [F in keyof Registration]: never }): Registration {
  const { type, region, location = null, tags, firmwareVersion = null, createdAtMs } = value;
  const place = location === null ? null : plain(location, ["name", "latitude", "longitude"]);
  return { type, region, location: place, tags, firmwareVersion, createdAtMs };
}

/** The fields that are there: null is how Avro says that one is absent. */
function plain(value: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, never> {
  const there = fields.filter((field) => value[field] !== null && value[field] !== undefined);
  return Object.fromEntries(there.map((field) => [field, value[field]])) as Record<string, never>;
}

function optional(field: string, value: Readonly<Record<string, unknown>>): Record<string, never> {
  return plain(value, [field]);
}

function jsonOf(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function parsed<F extends string>(field: F, text: string | null | undefined): { readonly [K in F]?: Json } {
  return (text == null ? {} : { [field]: JSON.parse(text) }) as { readonly [K in F]?: Json };
}
