/**
 * Twin state in any of Dapr's state stores that has etags: one value per twin, with its unpublished records in it.
 *
 * By the plain state API, not the actors' one: an actor's state can only be written while the actor is active on this
 * sidecar, and no answer tells its etag, so it has no fence. Here a write names the etag of the value whose revision it
 * was compared with ("first-write", Dapr state API reference): what another host has written meanwhile refuses it.
 *
 * The price: a commit reads all its twins once more, then makes a request and a transaction for each; so does
 * `published`. And there is no way to ask for twins by owner or deadline (W6).
 */
import { encodeTwin } from "../../core/device/twin-codec.ts";
import type { PublishableRecord } from "../record-log/port.ts";
import { NotSweepable, type TwinState, type TwinStateStore, type TwinWrite, type UnreadableState } from "./port.ts";
import { readReceipts, writeReceipts } from "./receipts-text.ts";
import { readRecord, readTwin, stateFormat } from "./state-codec.ts";

export type DaprTwinStateOptions = {
  /** Of the sidecar: "http://127.0.0.1:3500" */
  readonly daprHttpUrl: string;
  /** Name of the state store's component. */
  readonly stateStore: string;
};

/** The state store did not do what was asked; whether it will later is not known. */
export class DaprStateFailed extends Error {
  override readonly name = "DaprStateFailed";
  readonly code = "DAPR_STATE_FAILED";
  readonly retry = "later";
}

export function openDaprTwinState(options: DaprTwinStateOptions): TwinStateStore {
  const values = new DaprValues(options);

  async function write(change: TwinWrite, found: Found | undefined): Promise<"committed" | "stale"> {
    const { twin, revision, receipts, records } = change;
    const stored = found?.stored;
    // What cannot be read is not written over.
    if (found !== undefined && (stored?.format !== stateFormat || stored.revision !== revision)) return "stale";
    const added = records.map(({ id, record }): StoredRecord => [id, JSON.stringify(record)]);
    const unpublished = [...(stored?.unpublished ?? []), ...added];
    const next = { format: stateFormat, revision: revision + 1, unpublished };
    const texts = { state: encodeTwin(twin), receipts: writeReceipts(receipts) };
    return (await values.replace(twin.id, { ...next, ...texts }, found?.etag)) ? "committed" : "stale";
  }

  async function strike(device: string, ids: ReadonlySet<string>): Promise<void> {
    for (;;) {
      const found = (await values.read([device])).get(device);
      if (found?.stored === undefined) return;
      const unpublished = found.stored.unpublished.filter(([id]) => !ids.has(id));
      if (unpublished.length === found.stored.unpublished.length) return;
      if (await values.replace(device, { ...found.stored, unpublished }, found.etag)) return;
    }
  }

  return {
    fenced: true,
    sweepable: false,
    async load(devices) {
      const states = new Map<string, TwinState | UnreadableState>();
      for (const [device, found] of await values.read(devices)) states.set(device, stateOf(device, found));
      return states;
    },
    async commit(writes) {
      const found = await values.read(writes.map(({ twin }) => twin.id));
      return eachOf(writes, (change) => write(change, found.get(change.twin.id)));
    },
    async published(records) {
      const byDevice = Map.groupBy(records, ({ device }) => device);
      await eachOf([...byDevice], ([device, some]) => strike(device, new Set(some.map(({ id }) => id))));
    },
    async abandoned(): Promise<readonly PublishableRecord[]> {
      throw new NotSweepable("Dapr's state API");
    },
    async overdue(): Promise<readonly string[]> {
      throw new NotSweepable("Dapr's state API");
    },
    async adopt() {},
    async release() {},
  };
}

/** Id and body. */
type StoredRecord = readonly [string, string];

type StoredState = {
  readonly format: number;
  readonly revision: number;
  readonly state: string;
  readonly receipts: string;
  readonly unpublished: readonly StoredRecord[];
};

/** A value that is no state of ours has only its etag. */
type Found = { readonly etag: string; readonly stored: StoredState | undefined };

type BulkItem = { key: string; data?: unknown; etag?: string; error?: string };

/** Values by device, with their etags, over daprd's HTTP API. */
class DaprValues {
  readonly #url: string;

  constructor({ daprHttpUrl, stateStore }: DaprTwinStateOptions) {
    this.#url = `${daprHttpUrl}/v1.0/state/${encodeURIComponent(stateStore)}`;
  }

  async read(devices: readonly string[]): Promise<Map<string, Found>> {
    const values = new Map<string, Found>();
    for (let from = 0; from < devices.length; from += readAtOnce) {
      const keys = devices.slice(from, from + readAtOnce).map(keyOf);
      const response = await this.#post(`${this.#url}/bulk`, { keys });
      if (!response.ok) throw await failure("read", response);
      for (const { key, data, etag, error } of (await response.json()) as BulkItem[]) {
        if (error !== undefined) throw new DaprStateFailed(`Dapr could not read the state "${key}": ${error}`);
        if (etag !== undefined) values.set(deviceOf(key), { etag, stored: storedState(data) });
      }
    }
    return values;
  }

  /** False when the value is not the one of this etag any more; without an etag: when there is one. */
  async replace(device: string, stored: StoredState, etag: string | undefined): Promise<boolean> {
    // As text: daprd parses and writes JSON anew, and would put something else for lone surrogates.
    const item = { key: keyOf(device), value: JSON.stringify(stored), etag, options: { concurrency: "first-write" } };
    const response = await this.#post(this.#url, [item]);
    if (response.ok) return true;
    if (response.status === 409) return false;
    const failed = await failure("write", response);
    // PostgreSQL v2 says no more than 500 to a first write of what is there.
    if (etag === undefined && (await this.read([device])).size > 0) return false;
    throw failed;
  }

  async #post(url: string, body: unknown): Promise<Response> {
    const headers = { "content-type": "application/json" };
    try {
      return await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    } catch (cause) {
      throw new DaprStateFailed(`The Dapr sidecar does not answer at ${url}.`, { cause });
    }
  }
}

const readAtOnce = 200;
/** Each is a request and a transaction of the state store. */
const writesAtOnce = 16;

/** With a prefix of its own: the store may hold other things of the application. */
function keyOf(device: string): string {
  return `twin-${device}`;
}

function deviceOf(key: string): string {
  return key.slice("twin-".length);
}

async function failure(what: string, response: Response): Promise<DaprStateFailed> {
  return new DaprStateFailed(`Dapr's state store failed to ${what}: ${response.status} ${await response.text()}`);
}

function storedState(data: unknown): StoredState | undefined {
  try {
    const stored = JSON.parse(String(data)) as StoredState | null;
    return typeof stored === "object" && Array.isArray(stored?.unpublished) ? stored : undefined;
  } catch {
    return undefined;
  }
}

function stateOf(device: string, { stored }: Found): TwinState | UnreadableState {
  if (stored === undefined) return { unreadable: "The stored value is not the state of a twin." };
  const { format, revision, state, receipts, unpublished } = stored;
  if (format !== stateFormat)
    return { unreadable: `It is stored in format ${format}; this release reads ${stateFormat}.` };
  try {
    return {
      twin: readTwin(device, state),
      revision,
      receipts: readReceipts(receipts),
      unpublished: unpublished.map(([id, body]) => ({ id, device, record: readRecord(body) })),
    };
  } catch (error) {
    return { unreadable: String(error) };
  }
}

/** `work` for each item, some at a time; the results in the order of the items. Rejects after all have ended. */
async function eachOf<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += writesAtOnce) {
    const settled = await Promise.allSettled(items.slice(from, from + writesAtOnce).map(work));
    for (const outcome of settled) {
      if (outcome.status === "rejected") throw outcome.reason;
      results.push(outcome.value);
    }
  }
  return results;
}
