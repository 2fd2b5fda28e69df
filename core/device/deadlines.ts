import { commandDeadline } from "./commands.ts";
import type { TwinContext } from "./inputs.ts";
import type { TwinPolicy } from "./policy.ts";
import { presenceDeadline } from "./presence.ts";
import type { Twin } from "./twin.ts";

/** The policy that holds for the twin: its type's, or the default type's while it is not registered. */
export function policyFor(twin: Twin, context: Pick<TwinContext, "policyOf">): TwinPolicy {
  return context.policyOf(twin.registration?.type ?? "default");
}

/**
 * When the twin has to be given a `deadline` input at the latest, epoch ms; null for never. A pure function of twin
 * and policy: a message, a new device or a changed time-out cannot be forgotten by a timer.
 */
export function nextDeadline(twin: Twin, context: Pick<TwinContext, "policyOf" | "node">): number | null {
  const presence = presenceDeadline(twin.presence, twin.lastSeenMs, policyFor(twin, context), context.node);
  const command = commandDeadline(twin.commands);
  if (presence === null) return command;
  return command === null || presence < command ? presence : command;
}
