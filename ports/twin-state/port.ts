import type { TurnReceipt } from "../../core/device/receipts.ts";
import type { Twin } from "../../core/device/twin.ts";
import { hash53 } from "../../core/hash.ts";
import type { PublishableRecord } from "../record-log/port.ts";

/** A twin as its last durable turn left it. */
export type TwinState = {
  readonly twin: Twin;
  /** Grows by 1 with each commit; 0: nothing is stored. It is the fence: a commit names the one it was read at. */
  readonly revision: number;
  /** Oldest first; the host keeps them few. */
  readonly receipts: readonly TurnReceipt[];
  /** Records of committed turns that nobody has yet said are published; oldest first. */
  readonly unpublished: readonly PublishableRecord[];
};

/** The stored state of this device cannot be read: it is left as it is, and no other device suffers. */
export type UnreadableState = { readonly unreadable: string };

export type TwinWrite = {
  /** The twin after the turns. */
  readonly twin: Twin;
  /** The revision that it was read at, or committed at last: the stored one must be the same. */
  readonly revision: number;
  readonly receipts: readonly TurnReceipt[];
  /** When the twin has to be woken, epoch ms; null: never. A later truth is allowed to be later, never earlier. */
  readonly deadlineMs: number | null;
  /** What these turns add to the outbox. */
  readonly records: readonly PublishableRecord[];
};

/**
 * Durable state of twins in the distributed mode: written by the host that has the actor, read by the next one.
 *
 * W1 `commit` is durable when it resolves, and each write is whole or not at all: state, receipts, deadline and outbox.
 * W2 Fenced stores: a write whose revision is not the stored one is "stale" and changes nothing; the other writes of the
 *    same call are not harmed. Where nothing is stored any revision is written: if the store has lost the twin, there is
 *    no newer one than the host's. A store that is not `fenced` cannot tell, and says so.
 * W3 `load` gives every device that has a state, with the records of it that are still unpublished.
 * W4 A record stays unpublished until `published` has named it, whatever happens to the host.
 * W5 `owner` of a twin is the host that wrote or adopted it last; `release` makes it nobody's, if it is still ours.
 * W6 Stores that are not `sweepable` cannot find twins by what they hold: `abandoned` and `overdue` reject with
 *    `NotSweepable`, `adopt` and `release` do nothing. Unpublished records and passed deadlines of a dead host wait there
 *    until somebody loads the twin.
 */
export interface TwinStateStore {
  readonly fenced: boolean;
  readonly sweepable: boolean;
  load(devices: readonly string[]): Promise<Map<string, TwinState | UnreadableState>>;
  /** Many devices, each at most once; the outcomes are in the order of the writes. */
  commit(writes: readonly TwinWrite[]): Promise<readonly ("committed" | "stale")[]>;
  /** These records of the outbox are in the log: they may go. Ids as `PublishableRecord.id`, unique per device. */
  published(records: readonly PublishableRecord[]): Promise<void>;
  /** The oldest unpublished records that were committed before `epochMs`, in order per device: what a dead host left. */
  abandoned(epochMs: number, limit: number): Promise<readonly PublishableRecord[]>;
  /** This host watches the deadlines of these twins now. No fence: the last to say so is the owner. */
  adopt(devices: readonly string[]): Promise<void>;
  /** This host watches them no more. */
  release(devices: readonly string[]): Promise<void>;
  /**
   * Twins whose stored deadline has passed and whose owner is none of the `alive` hosts (or nobody), of one of `shards`
   * equal parts of all devices (a divisor of `partsOfDevices`), at most `limit`.
   */
  overdue(about: {
    readonly shard: number;
    readonly shards: number;
    readonly alive: readonly string[];
    readonly nowMs: number;
    readonly limit: number;
  }): Promise<readonly string[]>;
}

/** The finest partition of the devices that `overdue` can be asked by. */
export const partsOfDevices = 64;

/** The part of `shards` that a device belongs to. @throws RangeError unless `shards` divides `partsOfDevices` */
export function shardOf(device: string, shards: number = partsOfDevices): number {
  checkShards(shards);
  return hash53(device) % shards;
}

/** @throws RangeError unless `shards` divides `partsOfDevices` */
export function checkShards(shards: number): void {
  if (Number.isInteger(shards) && shards > 0 && partsOfDevices % shards === 0) return;
  throw new RangeError(`The devices cannot be divided into ${shards} parts: use a divisor of ${partsOfDevices}.`);
}

/** The store cannot look for what dead hosts left behind (W6). */
export class NotSweepable extends Error {
  override readonly name = "NotSweepable";
  readonly code = "NOT_SWEEPABLE";
  readonly retry = "never";
  constructor(store: string) {
    super(
      `${store} cannot find twins by owner, deadline or outbox. Use the PostgreSQL twin state where that is needed.`,
    );
  }
}
