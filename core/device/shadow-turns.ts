import { own } from "../own.ts";
import { policyFor } from "./deadlines.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { known } from "./registry-turns.ts";
import { decideShadow, liveShadowNames, pendingDeltas, rejectedAnswer } from "./shadow.ts";
import { clientTokenOf } from "./shadow-request.ts";
import type { Turn, TurnOutcome } from "./turn.ts";

/** Shadows that one device may have at a time: a device that makes up names must not grow without bound. */
export const maxShadows = 64;

/** A shadow request of a device or an app. A device that asks is heard, even where its request is rejected. */
export function shadowTurn(
  turn: Turn,
  input: Extract<TwinInput, { kind: "shadow" }>,
  context: TwinContext,
): TurnOutcome {
  const { shadow: name, request, by } = input;
  const { nowMs } = context;
  if (by === "device") turn.record({ kind: "seen", atMs: nowMs, why: "request" });
  // As with AWS, an app may write the shadow of a device that is yet to come, where the registry is open.
  else if (request.kind === "update" && !known(turn, context)) return turn.reply({ kind: "unknownDevice" });
  else if (turn.twin.registration === null) return turn.reply({ kind: "unknownDevice" });

  const { shadowMaxBytes: maxBytes, shadowMaxDepth: maxDepth } = policyFor(turn.twin, context);
  const current = own(turn.twin.shadows, name);
  if (
    current?.kind !== "live" &&
    request.kind === "update" &&
    liveShadowNames(turn.twin.shadows).length >= maxShadows
  ) {
    const error = {
      code: 413,
      message: `The thing has ${maxShadows} shadows, the most it may have. Delete one first.`,
    };
    return turn.reply({
      kind: "shadow",
      answer: rejectedAnswer("update", error, nowMs, clientTokenOf(request.payload)),
    });
  }
  const decision = decideShadow(current, name, request, { thing: turn.twin.id, nowMs, by, maxBytes, maxDepth });
  for (const record of decision.records) turn.record(record);
  // Whoever asked, everybody hears of a change: an app's over HTTP goes to the device's `accepted` topic too.
  if (decision.answer.kind === "accepted" && request.kind !== "get")
    turn.send({ kind: "shadowAnswer", shadow: name, answer: decision.answer });
  for (const send of decision.sends) turn.send(send);
  return turn.reply({ kind: "shadow", answer: decision.answer });
}

/** The device listens to the delta of a shadow, or of `everyShadow`: what is still pending goes out again. */
export function shadowListeningTurn(turn: Turn, name: string, context: TwinContext): TurnOutcome {
  for (const send of pendingDeltas(turn.twin.shadows, name, context.nowMs)) turn.send(send);
  return turn.reply({ kind: "done" });
}
