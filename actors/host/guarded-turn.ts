import { deadLetter } from "../../core/device/dead-letter.ts";
import { takeTurn } from "../../core/device/decide.ts";
import { evolve } from "../../core/device/evolve.ts";
import type { Reply, TwinContext, TwinInput } from "../../core/device/inputs.ts";
import type { TurnOutcome } from "../../core/device/turn.ts";
import type { Twin } from "../../core/device/twin.ts";

/** A turn that throws changes nothing and harms no other; a message that caused it becomes a dead letter. */
export function guardedTurn(
  twin: Twin,
  input: TwinInput,
  context: TwinContext,
  onError: (about: object, message: string) => void,
): TurnOutcome {
  try {
    return takeTurn(twin, input, context);
  } catch (error) {
    onError({ device: twin.id, input: input.kind, error }, "a turn failed and changed nothing");
    const reason = "turn-failed";
    const detail = `The twin could not take this ${input.kind}: ${(error as Error).message}`;
    const reply: Reply = { kind: "refused", reason, detail };
    if (!("payload" in input)) return { twin, records: [], sends: [], reply };
    const record = deadLetter(
      { topic: input.topic, payload: input.payload, reason, detail },
      context.nowMs,
      twin.registration,
    );
    return { twin: evolve(twin, record), records: [record], sends: [], reply };
  }
}
