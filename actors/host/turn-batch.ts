/**
 * What a batch of turns comes to: pure but for the memory of what a device listens to. The twin that is handed in stays as
 * it is, so that a batch whose commit fails has not happened.
 */
import { brokerSession, sessionOfBrokerMessage, throughBroker } from "../../core/device/broker-session.ts";
import type { Reply, Send, TwinContext, TwinInput } from "../../core/device/inputs.ts";
import { liveSession } from "../../core/device/presence.ts";
import { isSoft, publishedId } from "../../core/device/publishing.ts";
import { answerOf, receiptOf, type TurnReceipt, withReceipt } from "../../core/device/receipts.ts";
import type { Twin } from "../../core/device/twin.ts";
import type { PublishableRecord } from "../../ports/record-log/port.ts";
import type { NamedTurn } from "../device/turns-wire.ts";
import type { EarlyWords } from "./early-words.ts";
import { guardedTurn } from "./guarded-turn.ts";

export type TurnBatch = {
  readonly twin: Twin;
  readonly records: readonly PublishableRecord[];
  /** Whether the state has to be stored with the records. */
  readonly durable: boolean;
  readonly receipts: readonly TurnReceipt[];
  readonly sends: readonly Send[];
  /** One for each turn, in their order. */
  readonly replies: readonly Reply[];
  /** Turns that were answered from a receipt. */
  readonly repeated: number;
};

/** @param from the twin as it is, with the revision of its stored state */
export function decideBatch(
  from: {
    readonly twin: Twin;
    readonly revision: number;
    readonly receipts: readonly TurnReceipt[];
    readonly early: EarlyWords;
  },
  turns: readonly NamedTurn[],
  context: TwinContext,
  onError: (about: object, message: string) => void,
): TurnBatch {
  const device = from.twin.id;
  const revision = from.revision + 1;
  const records: PublishableRecord[] = [];
  const sends: Send[] = [];
  const replies: Reply[] = [];
  let { twin, receipts } = from;
  let durable = false;
  let repeated = 0;
  for (const named of turns) {
    const receipt = receiptOf(receipts, named);
    if (receipt !== null) {
      repeated += 1;
      replies.push(answerOf(receipt));
      continue;
    }
    let reply: Reply | null = null;
    let storing = false;
    let index = 0;
    const { receivedAtMs } = named.input.kind === "telemetry" ? named.input : {};
    for (const input of inputsOf(from.early, named.input, twin, context.nowMs)) {
      const outcome = guardedTurn(twin, input, context, onError);
      for (const record of outcome.records) {
        const id = publishedId(record, { turn: named.turn, index, revision, place: records.length, receivedAtMs });
        records.push({ id, device, record });
        index += 1;
        storing ||= !isSoft(record);
      }
      twin = outcome.twin;
      sends.push(...outcome.sends);
      reply ??= outcome.reply;
    }
    reply ??= done;
    if (storing) {
      durable = true;
      receipts = withReceipt(receipts, named, isToldBySends(named.input, reply) ? done : reply, context.nowMs);
    }
    replies.push(reply);
  }
  return { twin, records, durable, receipts, sends, replies, repeated };
}

const done: Reply = { kind: "done" };

/**
 * An accepted change of a shadow goes out with the turn's sends, and a gateway behind a broker does nothing more with the
 * reply than acknowledge the message. With its 16 newest answers in it, a twin's row would be several times as large.
 */
function isToldBySends(input: TwinInput, reply: Reply): boolean {
  const isChange = input.kind === "shadow" && input.request.kind !== "get" && input.session === brokerSession;
  return isChange && reply.kind === "shadow" && reply.answer.kind === "accepted";
}

/** A message through a broker does not say by which session it came: the twin knows best. */
function inputsOf(early: EarlyWords, input: TwinInput, twin: Twin, nowMs: number): readonly TwinInput[] {
  if (input.kind === "connected") return [input, ...early.of(input.session, nowMs)];
  if (input.kind === "disconnected" && liveSession(twin.presence)?.id !== input.session) early.noteEnd(input, nowMs);
  if (input.kind === "listening" && input.session === brokerSession) {
    early.noteListening(input.to, input.saidAtMs ?? null, nowMs);
    if (sessionOfBrokerMessage(twin, nowMs) === null) return [];
  }
  return [throughBroker(twin, input, nowMs)];
}
