import { localRecordCodec } from "../record-codec/codec.ts";
import { decodeBlock, encodeBlock } from "./block.ts";
import { type EventLog, LogBroken, type LogEntry, LogTaken } from "./port.ts";

type StoredBatch = { firstOffset: number; count: number; appendedAtMs: number; block: Uint8Array };

/** What outlives a memory log's writer, as a database would: hand it to the next `openMemoryLog`. */
export type MemoryLogStorage = {
  readonly batches: StoredBatch[];
  end: number;
  taken: boolean;
  /** Set it to let the next append fail: before anything is stored, or after it (the answer was lost). */
  failNextAppend: "before" | "after" | null;
};

export function memoryLogStorage(): MemoryLogStorage {
  return { batches: [], end: 0, taken: false, failNextAppend: null };
}

const codec = localRecordCodec();

/** An event log in memory, with the stored form of the real one. `close` gives the writer's place free. */
export function openMemoryLog(
  storage: MemoryLogStorage = memoryLogStorage(),
  now: () => number = Date.now,
): EventLog & { close(): Promise<void> } {
  if (storage.taken) throw new LogTaken("Another writer has this memory log open. Close it first.");
  storage.taken = true;
  let appending = false;
  let broken: unknown = null;

  return {
    async append(entries) {
      if (broken)
        throw new LogBroken("An earlier append to the log failed; the process has to end.", { cause: broken });
      if (appending) throw new Error("append was called before the last one had resolved. Await it first."); // L3
      if (entries.length === 0) return storage.end;
      appending = true;
      const failure = storage.failNextAppend;
      storage.failNextAppend = null;
      const block = encodeBlock(entries, codec);
      await null;
      appending = false;
      const firstOffset = storage.end;
      if (failure !== "before") {
        storage.batches.push({ firstOffset, count: entries.length, appendedAtMs: now(), block });
        storage.end += entries.length;
      }
      if (failure !== null) {
        broken = new Error(`failNextAppend was "${failure}"`);
        throw new LogBroken("The append to the log failed; the process has to end.", { cause: broken }); // L4
      }
      return firstOffset;
    },
    async read(offset, atMost) {
      const from = Math.max(offset, startOf(storage));
      const entries: { offset: number; entry: LogEntry }[] = [];
      let next = from;
      for (const batch of storage.batches) {
        if (batch.firstOffset + batch.count <= from) continue;
        if (batch.firstOffset >= from + Math.max(1, atMost)) break;
        for (const [index, entry] of decodeBlock(batch.block, batch.count, codec).entries()) {
          if (batch.firstOffset + index >= from) entries.push({ offset: batch.firstOffset + index, entry });
        }
        next = batch.firstOffset + batch.count;
      }
      return { entries, next };
    },
    async start() {
      return startOf(storage);
    },
    async end() {
      return storage.end;
    },
    async offsetAt(epochMs) {
      return storage.batches.find(({ appendedAtMs }) => appendedAtMs >= epochMs)?.firstOffset ?? storage.end;
    },
    async trim(before) {
      const kept = storage.batches.findIndex(
        (batch) => batch.appendedAtMs >= before.epochMs || batch.firstOffset + batch.count > before.offset,
      );
      return storage.batches.splice(0, kept === -1 ? storage.batches.length : kept).length;
    },
    async close() {
      storage.taken = false;
    },
  };
}

function startOf(storage: MemoryLogStorage): number {
  return storage.batches[0]?.firstOffset ?? storage.end;
}
