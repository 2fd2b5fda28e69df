import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { own } from "../own.ts";

/**
 * What a device must still change: every key of `desired` whose value is not the reported one. Objects are compared
 * key by key, over desired's keys only; arrays whole; numbers by value. Empty when everything desired is reported.
 */
export function difference(desired: JsonObject, reported: JsonObject): JsonObject {
  const delta = new Map<string, Json>();
  for (const [key, wanted] of Object.entries(desired)) {
    const actual = own(reported, key);
    if (isJsonObject(wanted) && isJsonObject(actual)) {
      const below = difference(wanted, actual);
      if (!isEmpty(below)) delta.set(key, below);
    } else if (actual === undefined || !sameJson(wanted, actual)) {
      delta.set(key, wanted);
    }
  }
  return Object.fromEntries(delta);
}

export function isEmpty(object: JsonObject): boolean {
  for (const _ in object) return false;
  return true;
}

/** Whether two JSON values are equal; the order of an object's keys does not matter. */
export function sameJson(a: Json, b: Json): boolean {
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) && a.length === b.length && a.every((element, index) => sameJson(element, b[index] ?? null))
    );
  }
  if (isJsonObject(a)) {
    if (!isJsonObject(b) || Object.keys(a).length !== Object.keys(b).length) return false;
    return Object.entries(a).every(([key, value]) => Object.hasOwn(b, key) && sameJson(value, b[key] ?? null));
  }
  return a === b;
}
