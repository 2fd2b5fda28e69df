/**
 * A device's turn: what one input means for its twin, as records, sends and a reply.
 *
 * D1 The twin after the turn is the twin before it folded over the turn's records, by `evolve`, and nothing else.
 * D2 Whatever a device says, right or wrong, moves its last seen and brings it back from offline.
 * D3 A duplicate is answered like the first one and changes nothing else.
 * D4 What cannot be processed becomes a dead letter with its reason; nothing is dropped silently.
 */
import { unreachable } from "../unreachable.ts";
import {
  acknowledgementTurn,
  cancelTurn,
  commandsListeningTurn,
  expireDueCommands,
  requestTurn,
} from "./command-turns.ts";
import { deadLetter } from "./dead-letter.ts";
import { policyFor } from "./deadlines.ts";
import type { Decision, TwinContext, TwinInput } from "./inputs.ts";
import { duePresenceEdge, type PresenceEdge, stepPresence } from "./presence.ts";
import { deregisterTurn, known, registerTurn } from "./registry-turns.ts";
import { shadowListeningTurn, shadowTurn } from "./shadow-turns.ts";
import { telemetryTurn } from "./telemetry-turn.ts";
import { Turn, type TurnOutcome } from "./turn.ts";
import type { Twin } from "./twin.ts";

/** What the input means, without the twin that it leads to: that is `records` folded by `evolve`. */
export function decide(twin: Twin, input: TwinInput, context: TwinContext): Decision {
  const { records, sends, reply } = takeTurn(twin, input, context);
  return { records, sends, reply };
}

/** `decide` together with its fold, for hosts: each record is folded in once. */
export function takeTurn(twin: Twin, input: TwinInput, context: TwinContext): TurnOutcome {
  const turn = new Turn(twin);
  switch (input.kind) {
    case "telemetry":
      return (input.again === undefined ? hear(turn, input.session, context) : known(turn, context))
        ? telemetryTurn(turn, input, context)
        : unknownDevice(turn);
    case "heartbeat":
      if (!hear(turn, input.session, context)) return unknownDevice(turn);
      turn.record({ kind: "seen", atMs: context.nowMs, why: "heartbeat" });
      return turn.reply({ kind: "done" });
    case "refused":
      hear(turn, input.session, context);
      turn.record(deadLetter(input, context.nowMs, turn.twin.registration));
      return turn.reply({ kind: "refused", reason: input.reason, detail: input.detail });
    case "connected":
      if (!known(turn, context)) return unknownDevice(turn);
      edge(turn, { type: "connected", session: input.session }, context);
      return turn.reply({ kind: "done" });
    case "disconnected": {
      const { session, graceful, reason } = input;
      edge(turn, { type: "disconnected", session, graceful, reason }, context);
      return turn.reply({ kind: "done" });
    }
    case "status":
      return statusTurn(turn, input, context);
    case "listening":
      return input.to.channel === "commands"
        ? commandsListeningTurn(turn, input.session, context)
        : shadowListeningTurn(turn, input.to.shadow, context);
    case "shadow":
      if (input.by === "device" && !hear(turn, input.session, context)) return unknownDevice(turn);
      return shadowTurn(turn, input, context);
    case "commandRequest":
      return turn.twin.registration === null ? unknownDevice(turn) : requestTurn(turn, input, context);
    case "commandCancel":
      return cancelTurn(turn, input, context);
    case "commandAck":
      return hear(turn, input.session, context) ? acknowledgementTurn(turn, input, context) : unknownDevice(turn);
    case "register":
      return registerTurn(turn, input, context);
    case "deregister":
      return deregisterTurn(turn, context);
    case "deadline":
      return deadlineTurn(turn, context);
    case "read":
      return turn.twin.registration === null ? unknownDevice(turn) : turn.reply({ kind: "twin", twin: turn.twin });
    default:
      return unreachable(input);
  }
}

/** D2: the device said something. False if it is unknown and may not make itself known. */
function hear(turn: Turn, session: string | null, context: TwinContext): boolean {
  if (!known(turn, context)) return false;
  if (turn.twin.presence.phase !== "online") edge(turn, { type: "heard", session }, context);
  return true;
}

function statusTurn(turn: Turn, input: Extract<TwinInput, { kind: "status" }>, context: TwinContext): TurnOutcome {
  // A will is the broker's word: it outlives the device's deletion, and must not undo it.
  if (input.will ? turn.twin.registration === null : !known(turn, context)) return unknownDevice(turn);
  if (input.status === "offline") {
    edge(turn, { type: "statusOffline", session: input.session, will: input.will }, context);
  } else {
    hear(turn, input.session, context);
    turn.record({ kind: "seen", atMs: context.nowMs, why: "heartbeat" });
  }
  return turn.reply({ kind: "done" });
}

/** Everything that has elapsed by now, of presence (a machine may pass two states at once) and of commands. */
function deadlineTurn(turn: Turn, context: TwinContext): TurnOutcome {
  for (;;) {
    const { presence, lastSeenMs } = turn.twin;
    const due = duePresenceEdge(presence, lastSeenMs, context.nowMs, policyFor(turn.twin, context), context.node);
    if (due === null || !edge(turn, due, context)) break;
  }
  expireDueCommands(turn, context);
  return turn.reply({ kind: "done" });
}

/** One step of the presence machine; whether it moved. */
function edge(turn: Turn, step: PresenceEdge, context: TwinContext): boolean {
  const changed = stepPresence(turn.twin.presence, step, context.nowMs, policyFor(turn.twin, context));
  if (changed === null) return false;
  turn.record(changed);
  return true;
}

function unknownDevice(turn: Turn): TurnOutcome {
  return turn.reply({ kind: "unknownDevice" });
}
