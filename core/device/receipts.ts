/**
 * What a twin's newest durable turns were answered, so that a turn that is asked again (its answer was lost, its host
 * died, its message was delivered twice) is answered alike and has no second effect. Soft turns need none: a message has
 * its own identity there.
 */
import type { Reply } from "./inputs.ts";

export type TurnReceipt = {
  /** Names the turn: the same when its caller asks again. */
  readonly turn: string;
  /** Hash of topic and payload of the message behind it; 0 if no message was. A redelivered message is known by it. */
  readonly digest: number;
  /** Null where it was too large to keep: the turn is done, and its answer is not known any more. */
  readonly reply: Reply | null;
};

/** How a turn is named by its caller. `redelivered`: the broker has delivered the message before, perhaps to another gateway. */
export type TurnName = { readonly turn: string; readonly digest: number; readonly redelivered: boolean };

/** More than a device does between a crash and the redelivery of what was under way (AWS: 10 requests in flight). */
export const receiptsKept = 16;
/** Bytes of JSON, about. */
const maxReplyLength = 4_096;

/** The receipt of this very turn, or of the message that is delivered again; null if it is new. */
export function receiptOf(receipts: readonly TurnReceipt[], name: TurnName): TurnReceipt | null {
  const { turn, digest, redelivered } = name;
  const same = receipts.findLast(
    (receipt) => receipt.turn === turn || (redelivered && digest !== 0 && receipt.digest === digest),
  );
  return same ?? null;
}

export function withReceipt(receipts: readonly TurnReceipt[], name: TurnName, reply: Reply): readonly TurnReceipt[] {
  const kept = receipts.length < receiptsKept ? receipts : receipts.slice(receipts.length - receiptsKept + 1);
  return [...kept, { turn: name.turn, digest: name.digest, reply: isSmall(reply) ? reply : null }];
}

/** What to answer for a receipt: a reply that was not kept is only told to be done. */
export function answerOf(receipt: TurnReceipt): Reply {
  return receipt.reply ?? { kind: "done" };
}

function isSmall(reply: Reply): boolean {
  return reply.kind !== "twin" && JSON.stringify(reply).length <= maxReplyLength;
}
