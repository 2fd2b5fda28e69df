import { decodeTwin, encodeTwin } from "../../core/device/twin-codec.ts";
import type { SoftStateStore, SoftTwin } from "./port.ts";

type StoredTwin = { readonly revision: number; readonly state: string };

/** What outlives the hosts and is shared by them; `away` says why it does not answer. */
export type MemorySoftStorage = { readonly twins: Map<string, StoredTwin>; away: string | null };

export function memorySoftStorage(): MemorySoftStorage {
  return { twins: new Map(), away: null };
}

/** Soft state in memory, in its stored form: what comes back is a copy. */
export function openMemorySoftState(storage: MemorySoftStorage = memorySoftStorage()): SoftStateStore {
  let away: string | null = null;
  return {
    async save(twins) {
      away = storage.away;
      if (away !== null) return 0;
      for (const { twin, revision } of twins) storage.twins.set(twin.id, { revision, state: encodeTwin(twin) });
      return twins.length;
    },
    async load(devices) {
      away = storage.away;
      const found = new Map<string, SoftTwin>();
      for (const device of away === null ? devices : []) {
        const stored = storage.twins.get(device);
        if (stored !== undefined) found.set(device, { twin: decodeTwin(stored.state), revision: stored.revision });
      }
      return found;
    },
    get away() {
      return away;
    },
    async close() {},
  };
}
