import { decodeTwin, encodeTwin } from "../../core/device/twin-codec.ts";
import type { Checkpoint, TwinStore } from "./port.ts";

type StoredCheckpoint = { state: string; nextOffset: number; deadlineMs: number | null };

/** What outlives a process, as a database would. */
export type MemoryTwinStorage = { readonly twins: Map<string, StoredCheckpoint>; replayFrom: number };

export function memoryTwinStorage(): MemoryTwinStorage {
  return { twins: new Map(), replayFrom: 0 };
}

/** A twin store in memory that keeps twins in their stored form: what comes back is a copy. */
export function openMemoryTwinStore(storage: MemoryTwinStorage = memoryTwinStorage()): TwinStore {
  return {
    async load(ids) {
      const found = new Map<string, Checkpoint>();
      for (const id of ids) {
        const stored = storage.twins.get(id);
        if (stored === undefined) continue;
        const { state, nextOffset, deadlineMs } = stored;
        found.set(id, { twin: decodeTwin(state), nextOffset, deadlineMs });
      }
      return found;
    },
    async save(checkpoints, replayFrom) {
      for (const { twin, nextOffset, deadlineMs } of checkpoints) {
        const current = storage.twins.get(twin.id);
        if (current !== undefined && current.nextOffset > nextOffset) continue; // T3
        storage.twins.set(twin.id, { state: encodeTwin(twin), nextOffset, deadlineMs });
      }
      storage.replayFrom = Math.max(storage.replayFrom, replayFrom);
    },
    async replayFrom() {
      return storage.replayFrom;
    },
    async *deadlines() {
      const page = [...storage.twins].flatMap(([id, { deadlineMs }]) =>
        deadlineMs === null ? [] : [{ id, deadlineMs }],
      );
      if (page.length > 0) yield page;
    },
    async *ids() {
      if (storage.twins.size > 0) yield [...storage.twins.keys()];
    },
  };
}
