const ended = new Set(["succeeded", "failed", "rejected", "expired", "cancelled"]);

/** The command can still change, and so can be cancelled. */
export function isOpen(state: string): boolean {
  return !ended.has(state);
}
