import type { Twin } from "../../core/device/twin.ts";
import { encodeTwin } from "../../core/device/twin-codec.ts";
import type { PublishableRecord } from "../record-log/port.ts";
import { shardOf, type TwinState, type TwinStateStore, type TwinWrite, type UnreadableState } from "./port.ts";
import { readReceipts, writeReceipts } from "./receipts-text.ts";
import { readRecord, readTwin } from "./state-codec.ts";

type StoredTwin = { revision: number; state: string; receipts: string; deadlineMs: number | null; owner: string };
type StoredRecord = { readonly device: string; readonly id: string; readonly body: string; readonly atMs: number };

/** What outlives the hosts and is shared by them, as a database would be. */
export type MemoryTwinDatabase = { readonly twins: Map<string, StoredTwin>; outbox: StoredRecord[] };

export function memoryTwinDatabase(): MemoryTwinDatabase {
  return { twins: new Map(), outbox: [] };
}

/** Twin state in memory, in its stored form: what comes back is a copy. `host` is the id of the member that writes. */
export function openMemoryTwinState(
  database: MemoryTwinDatabase,
  { host, now = Date.now }: { host: string; now?: () => number },
): TwinStateStore {
  const { twins } = database;

  function write({ twin, revision, receipts, deadlineMs, records }: TwinWrite): "committed" | "stale" {
    const stored = twins.get(twin.id);
    if (stored !== undefined && stored.revision !== revision) return "stale"; // W2
    const texts = { state: encodeTwin(twin), receipts: writeReceipts(receipts) };
    const atMs = now();
    const added = records.map(({ id, device, record }) => ({ id, device, body: JSON.stringify(record), atMs }));
    twins.set(twin.id, { revision: revision + 1, ...texts, deadlineMs, owner: host });
    database.outbox.push(...added);
    return "committed";
  }

  return {
    fenced: true,
    sweepable: true,
    async load(devices) {
      const found = new Map<string, TwinState | UnreadableState>();
      for (const device of devices) {
        const stored = twins.get(device);
        if (stored !== undefined) found.set(device, stateOf(device, stored, database.outbox));
      }
      return found;
    },
    async commit(writes) {
      return writes.map(write);
    },
    async published(records) {
      const gone = new Set(records.map(keyOf));
      database.outbox = database.outbox.filter((record) => !gone.has(keyOf(record)));
    },
    async abandoned(epochMs, limit) {
      return database.outbox
        .filter(({ atMs }) => atMs < epochMs)
        .flatMap(publishable)
        .slice(0, limit);
    },
    async adopt(devices) {
      for (const device of devices) {
        const stored = twins.get(device);
        if (stored !== undefined) stored.owner = host;
      }
    },
    async release(devices) {
      for (const device of devices) {
        const stored = twins.get(device);
        if (stored?.owner === host) stored.owner = "";
      }
    },
    async overdue({ shard, shards, alive, nowMs, limit }) {
      const found: string[] = [];
      for (const [device, { deadlineMs, owner }] of twins) {
        if (shardOf(device, shards) !== shard || deadlineMs === null || deadlineMs > nowMs) continue;
        if (!alive.includes(owner)) found.push(device);
      }
      return found.slice(0, limit);
    },
  };
}

function stateOf(device: string, stored: StoredTwin, outbox: readonly StoredRecord[]): TwinState | UnreadableState {
  try {
    const twin: Twin = readTwin(device, stored.state);
    const unpublished = outbox
      .filter((record) => record.device === device)
      .map(({ id, body }) => ({ id, device, record: readRecord(body) }));
    return { twin, revision: stored.revision, receipts: readReceipts(stored.receipts), unpublished };
  } catch (error) {
    return { unreadable: String(error) };
  }
}

/** A record that cannot be read does not hold up the others. */
function publishable({ id, device, body }: StoredRecord): PublishableRecord[] {
  try {
    return [{ id, device, record: readRecord(body) }];
  } catch {
    return [];
  }
}

function keyOf({ device, id }: { readonly device: string; readonly id: string }): string {
  return `${device} ${id}`;
}
