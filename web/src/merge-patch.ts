import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";
import { sameJson } from "./shadow-rows.ts";

/**
 * The update that makes `from` into `to` when a shadow merges it: changed keys with their value, removed keys as null.
 * Empty when nothing changed.
 */
export function mergePatch(from: JsonObject, to: JsonObject): JsonObject {
  const entries: [string, Json][] = [];
  for (const name of Object.keys(from)) if (!Object.hasOwn(to, name)) entries.push([name, null]);
  for (const [name, wanted] of Object.entries(to)) {
    const present = Object.hasOwn(from, name) ? from[name] : undefined;
    if (sameJson(present, wanted)) continue;
    if (isJsonObject(present) && isJsonObject(wanted)) {
      entries.push([name, mergePatch(present as JsonObject, wanted as JsonObject)]);
    } else {
      entries.push([name, wanted]);
    }
  }
  return Object.fromEntries(entries);
}

/** `into` with `patch` merged as a shadow does it: null removes a key, objects merge, all else replaces. */
export function merged(into: JsonObject, patch: JsonObject): JsonObject {
  const fields = new Map(Object.entries(into));
  for (const [name, value] of Object.entries(patch)) {
    const present = fields.get(name);
    if (value === null) fields.delete(name);
    else if (isJsonObject(value)) fields.set(name, merged(isJsonObject(present) ? present : {}, value as JsonObject));
    else fields.set(name, value);
  }
  return Object.fromEntries(fields);
}
