import { deadLetter } from "../../core/device/dead-letter.ts";
import type { TwinInput } from "../../core/device/inputs.ts";
import type { PublishableRecord } from "../../ports/record-log/port.ts";
import type { NamedTurn } from "../device/turns-wire.ts";

/** The messages among the turns as dead letters, for turns that no twin could take. */
export function lettersOf(
  device: string,
  turns: readonly NamedTurn[],
  why: { readonly reason: string; readonly detail: string },
  nowMs: number,
): PublishableRecord[] {
  return turns.flatMap(({ turn, input }) => {
    const message = messageOf(input);
    if (message === null) return [];
    return [{ id: `t${turn}.0`, device, record: deadLetter({ ...message, ...why }, nowMs, null) }];
  });
}

function messageOf(input: TwinInput): { topic: string; payload: Uint8Array } | null {
  if (input.kind === "shadow") return { topic: `$aws/things/shadow/${input.shadow}`, payload: input.request.payload };
  return "payload" in input ? { topic: input.topic, payload: input.payload } : null;
}
