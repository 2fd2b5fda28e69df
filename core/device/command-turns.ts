import {
  acknowledge,
  cancelCommand,
  dueCommands,
  expireCommands,
  findCommand,
  type MoveOutcome,
  markSent,
  requestCommand,
} from "./commands.ts";
import { deadLetter } from "./dead-letter.ts";
import { policyFor } from "./deadlines.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { liveSession } from "./presence.ts";
import type { Turn, TurnOutcome } from "./turn.ts";

/** A new command: sent at once to a device that listens, else when it comes back. */
export function requestTurn(
  turn: Turn,
  input: Extract<TwinInput, { kind: "commandRequest" }>,
  context: TwinContext,
): TurnOutcome {
  const outcome = requestCommand(turn.twin.commands, input, context.nowMs, policyFor(turn.twin, context));
  switch (outcome.kind) {
    case "conflict":
      return turn.reply({ kind: "conflict", detail: outcome.detail });
    case "requested":
      turn.record(outcome.record);
      expireDueCommands(turn, context);
      if (listens(turn)) sendDueCommands(turn, context, (id) => id === input.command);
      break;
    case "repeated":
      break;
  }
  return commandReply(turn, input.command);
}

/** The device has subscribed to its commands: it gets what is due, in order; what it never acknowledged, again. */
export function commandsListeningTurn(turn: Turn, session: string, context: TwinContext): TurnOutcome {
  if (liveSession(turn.twin.presence)?.id !== session) return turn.reply({ kind: "done" });
  if (turn.twin.commandSession !== session) turn.record({ kind: "listening", atMs: context.nowMs, session });
  expireDueCommands(turn, context);
  sendDueCommands(turn, context, () => true);
  return turn.reply({ kind: "done" });
}

/** The device's word on a command. What it says wrongly becomes a dead letter. */
export function acknowledgementTurn(
  turn: Turn,
  input: Extract<TwinInput, { kind: "commandAck" }>,
  context: TwinContext,
): TurnOutcome {
  const { topic, payload } = input;
  turn.record({ kind: "seen", atMs: context.nowMs, why: "request" });
  expireDueCommands(turn, context);
  const outcome = acknowledge(turn.twin.commands, input.command, payload, context.nowMs);
  if (outcome.kind === "refused") {
    const { reason, detail } = outcome;
    turn.record(deadLetter({ topic, payload, reason, detail }, context.nowMs, turn.twin.registration));
    return turn.reply({ kind: "refused", reason, detail });
  }
  return moved(turn, outcome);
}

/** Cancels an open command; a device that has it already is told. */
export function cancelTurn(
  turn: Turn,
  input: Extract<TwinInput, { kind: "commandCancel" }>,
  context: TwinContext,
): TurnOutcome {
  if (turn.twin.registration === null) return turn.reply({ kind: "unknownDevice" });
  expireDueCommands(turn, context);
  const outcome = cancelCommand(turn.twin.commands, input.command, context.nowMs, input.reason);
  if (outcome.kind === "refused")
    return outcome.reason === "unknown-command"
      ? turn.reply({ kind: "unknownCommand" })
      : turn.reply({ kind: "conflict", detail: outcome.detail });
  if (outcome.kind === "moved" && outcome.command.state !== "queued" && listens(turn))
    turn.send({ kind: "commandCancelled", command: input.command });
  return moved(turn, outcome);
}

/** Ends every open command, for a device that is deleted. */
export function cancelEveryCommand(turn: Turn, reason: string, context: TwinContext): void {
  for (const { id } of turn.twin.commands.open) {
    const outcome = cancelCommand(turn.twin.commands, id, context.nowMs, reason);
    if (outcome.kind === "moved") turn.record(outcome.record);
  }
}

/** Ends every command whose time has come. */
export function expireDueCommands(turn: Turn, context: TwinContext): void {
  for (const expired of expireCommands(turn.twin.commands, context.nowMs)) turn.record(expired);
}

function sendDueCommands(turn: Turn, context: TwinContext, which: (id: string) => boolean): void {
  for (const command of dueCommands(turn.twin.commands, context.nowMs)) {
    if (!which(command.id)) continue;
    const { id, name, parameters, expiresAtMs } = command;
    turn.send({ kind: "command", command: id, name, parameters, expiresAtMs });
    const sent = markSent(command, context.nowMs);
    if (sent !== null) turn.record(sent);
  }
}

/** Whether what is sent now reaches the device: the session that subscribed to commands is the live one. */
function listens(turn: Turn): boolean {
  const session = liveSession(turn.twin.presence);
  return session !== null && session.id === turn.twin.commandSession;
}

function moved(turn: Turn, outcome: Exclude<MoveOutcome, { kind: "refused" }>): TurnOutcome {
  if (outcome.kind === "moved") turn.record(outcome.record);
  return commandReply(turn, outcome.command.id);
}

function commandReply(turn: Turn, id: string): TurnOutcome {
  const command = findCommand(turn.twin.commands, id);
  return command === undefined
    ? turn.reply({ kind: "unknownCommand" })
    : turn.reply({ kind: "command", command: id, state: command.state });
}
