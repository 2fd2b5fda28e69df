import { checkKey, compareKeys } from "./key.ts";
import { ObjectMissing, type ObjectStore } from "./port.ts";

/** Objects in a map, for tests. */
export function openMemoryObjectStore(place = "memory"): ObjectStore {
  const objects = new Map<string, Uint8Array>();

  function found(key: string): Uint8Array {
    const body = objects.get(checkKey(key));
    if (body === undefined) throw new ObjectMissing(place, key);
    return body;
  }

  return {
    place,
    async put(key, body) {
      if (objects.has(checkKey(key))) return "exists";
      objects.set(key, body.slice());
      return "stored";
    },
    async replace(key, body) {
      objects.set(checkKey(key), body.slice());
    },
    get: async (key) => found(key).slice(),
    getRange: async (key, start, end) => found(key).slice(start, end),
    size: async (key) => objects.get(checkKey(key))?.length ?? null,
    async delete(key) {
      objects.delete(checkKey(key));
    },
    async *list(prefix) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
      for (const key of keys) {
        const body = objects.get(key);
        if (body !== undefined) yield { key, bytes: body.length };
      }
    },
    setLifecycle: async () => ({ kind: "unsupported", detail: "Memory deletes nothing by itself." }),
    async close() {},
  };
}
