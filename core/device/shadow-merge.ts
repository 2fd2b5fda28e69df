import { isJsonObject, type JsonObject } from "../json.ts";

/**
 * `base` with `patch` laid over it, as a shadow update does it: objects are merged, null removes a key, anything else
 * (arrays too) replaces what was there. The result holds no null that `base` did not hold.
 * Built from entries, so a key named `__proto__` is a key like any other.
 */
export function mergeState(base: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      merged.delete(key);
    } else if (isJsonObject(value)) {
      const below = merged.get(key);
      merged.set(key, mergeState(isJsonObject(below) ? below : {}, value));
    } else {
      merged.set(key, value);
    }
  }
  return Object.fromEntries(merged);
}
