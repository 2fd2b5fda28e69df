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
  /** Null where it was not kept, being too large or too old: the turn is done, and its answer is not known any more. */
  readonly reply: Reply | null;
  /** When the turn was taken; our clock's epoch ms. */
  readonly atMs: number;
};

/** How a turn is named by its caller. `redelivered`: the broker has delivered the message before, perhaps to another gateway. */
export type TurnName = { readonly turn: string; readonly digest: number; readonly redelivered: boolean };

/** Kept with their replies; more than a device has under way at a time (AWS: 10 requests in flight). */
export const receiptsKept = 16;
/**
 * Younger ones are kept beyond that number, without replies: while something is away turns pile up, and after it a single
 * call brings more of them than those. Longer than a broker or a caller takes to come again.
 */
export const receiptsKeptMs = 60_000;
/** In any case no more than this: somewhat more than the largest call. */
export const mostReceipts = 256;
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

export function withReceipt(
  receipts: readonly TurnReceipt[],
  { turn, digest }: TurnName,
  reply: Reply,
  atMs: number,
): readonly TurnReceipt[] {
  return [...keptOf(receipts, atMs), { turn, digest, reply: isSmall(reply) ? reply : null, atMs }];
}

/** What is kept beside a new one. */
function keptOf(receipts: readonly TurnReceipt[], nowMs: number): readonly TurnReceipt[] {
  const older = receipts.length - receiptsKept + 1;
  if (older <= 0) return receipts;
  const young = receipts
    .slice(Math.max(0, receipts.length - mostReceipts + 1), older)
    .filter(({ atMs }) => nowMs - atMs < receiptsKeptMs)
    .map((receipt) => (receipt.reply === null ? receipt : { ...receipt, reply: null }));
  return [...young, ...receipts.slice(older)];
}

/** What to answer for a receipt: a reply that was not kept is only told to be done. */
export function answerOf(receipt: TurnReceipt): Reply {
  return receipt.reply ?? { kind: "done" };
}

function isSmall(reply: Reply): boolean {
  return reply.kind !== "twin" && JSON.stringify(reply).length <= maxReplyLength;
}
