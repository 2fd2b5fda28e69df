import { cancelEveryCommand } from "./command-turns.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { register } from "./registration.ts";
import type { Turn, TurnOutcome } from "./turn.ts";

/** Creates or changes the device's registration; a change that changes nothing leaves no record. */
export function registerTurn(
  turn: Turn,
  input: Extract<TwinInput, { kind: "register" }>,
  context: TwinContext,
): TurnOutcome {
  const { registration: current, id } = turn.twin;
  if (current !== null && input.mode === "create")
    return turn.reply({ kind: "conflict", detail: `The device ${id} exists already. Change it with PATCH.` });
  if (current === null && input.mode === "update") return turn.reply({ kind: "unknownDevice" });
  const registration = register(current, input.patch, context.nowMs);
  if (current === null) turn.record({ kind: "registered", atMs: context.nowMs, registration });
  else if (JSON.stringify(current) !== JSON.stringify(registration))
    turn.record({ kind: "registrationChanged", atMs: context.nowMs, registration });
  return turn.reply({ kind: "registered", registration, created: current === null });
}

/** Ends everything that the device has open, then forgets it; its shadows stay as tombstones for their versions. */
export function deregisterTurn(turn: Turn, context: TwinContext): TurnOutcome {
  if (turn.twin.registration === null) return turn.reply({ kind: "unknownDevice" });
  cancelEveryCommand(turn, "the device was deleted", context);
  for (const [shadow, state] of Object.entries(turn.twin.shadows)) {
    if (state.kind === "live")
      turn.record({ kind: "shadowDeleted", atMs: context.nowMs, shadow, version: state.version });
  }
  turn.record({ kind: "deregistered", atMs: context.nowMs });
  return turn.reply({ kind: "done" });
}

/** Registers a device at its first word, where the registry is open; whether it is known after that. */
export function known(turn: Turn, context: TwinContext): boolean {
  if (turn.twin.registration !== null) return true;
  if (!context.openRegistry) return false;
  turn.record({ kind: "registered", atMs: context.nowMs, registration: register(null, {}, context.nowMs) });
  return true;
}
