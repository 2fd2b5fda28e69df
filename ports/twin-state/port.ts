import type { Reply } from "../../core/device/inputs.ts";
import type { Twin } from "../../core/device/twin.ts";
import type { PublishableRecord } from "../record-log/port.ts";

/** What a turn was answered, kept for a while so that the same turn, asked again, has no second effect. */
export type TurnReceipt = {
  /** Names the turn: the same when its caller asks again. */
  readonly turn: string;
  /** Hash of topic and payload of the message behind it; 0 if no message was. A redelivered message is known by it. */
  readonly digest: number;
  /** Null where it was too large to keep: the turn is done, and its answer is not known any more. */
  readonly reply: Reply | null;
};

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
 *    same call are not harmed. A store that is not `fenced` cannot tell, and says so.
 * W3 `load` gives every device that has a state, with the records of it that are still unpublished.
 * W4 A record stays unpublished until `published` has named it, whatever happens to the host.
 * W5 `owner` of a twin is the host that wrote or adopted it last; `release` makes it nobody's, if it is still ours.
 */
export interface TwinStateStore {
  readonly fenced: boolean;
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
   * equal parts of all devices, at most `limit`.
   */
  overdue(about: {
    readonly shard: number;
    readonly shards: number;
    readonly alive: readonly string[];
    readonly nowMs: number;
    readonly limit: number;
  }): Promise<readonly string[]>;
}
