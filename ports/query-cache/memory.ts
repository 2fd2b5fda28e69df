import { LRUCache } from "lru-cache";
import type { QueryCache } from "./port.ts";

/** In this process; what was not asked for longest goes first. `maxBytes` is roughly what it takes. */
export function openMemoryQueryCache({ maxBytes = 64 * 1_048_576 } = {}): QueryCache {
  const cache = new LRUCache<string, string>({
    maxSize: maxBytes,
    // A value larger than this would drive out too much else.
    maxEntrySize: Math.ceil(maxBytes / 8),
    sizeCalculation: (value, key) => 2 * (value.length + key.length) + 100,
  });
  return {
    get: async (key) => cache.get(key) ?? null,
    async set(key, value) {
      cache.set(key, value);
    },
    away: null,
    async close() {
      cache.clear();
    },
  };
}
