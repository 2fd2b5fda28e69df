import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { own } from "../own.ts";

/**
 * Metadata has the shape of the state that it is about, with `{timestamp}` (epoch seconds) in the place of each value
 * that is not an object; an array has one for each of its elements.
 * A leaf is known by its number: a state's own key "timestamp" has an object there.
 */
function isLeaf(metadata: JsonObject): boolean {
  return typeof own(metadata, "timestamp") === "number";
}

/** Metadata for a value as it was sent: what null removes has none. */
export function stamp(state: JsonObject, timestamp: number): JsonObject {
  return mergeMetadata({}, state, timestamp);
}

/** The metadata after `patch` was laid over the state: new timestamps for what was sent, the others stay. */
export function mergeMetadata(base: JsonObject, patch: JsonObject, timestamp: number): JsonObject {
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      merged.delete(key);
    } else if (isJsonObject(value)) {
      const below = merged.get(key);
      merged.set(key, mergeMetadata(isJsonObject(below) && !isLeaf(below) ? below : {}, value, timestamp));
    } else {
      merged.set(key, stampValue(value, timestamp));
    }
  }
  return Object.fromEntries(merged);
}

function stampValue(value: Json, timestamp: number): Json {
  if (Array.isArray(value)) return value.map((element) => stampValue(element, timestamp));
  return isJsonObject(value) ? stamp(value, timestamp) : { timestamp };
}

/** The part of `metadata` that is about `state`, a part of the state that it mirrors (a delta). */
export function metadataOf(metadata: JsonObject, state: JsonObject): JsonObject {
  const chosen = new Map<string, Json>();
  for (const [key, value] of Object.entries(state)) {
    const about = own(metadata, key);
    if (about === undefined) continue;
    chosen.set(key, isJsonObject(value) && isJsonObject(about) ? metadataOf(about, value) : about);
  }
  return Object.fromEntries(chosen);
}
