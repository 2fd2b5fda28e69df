/** What a broken rule says about the data: something is missing, wrong, or came at the wrong time. */
export type Dimension = "completeness" | "accuracy" | "timeliness";

/** By the rule's name. One that nobody here knows judges values, as nearly all do. */
export function dimensionOf(rule: string): Dimension {
  if (/^(required|missing)/.test(rule)) return "completeness";
  if (/^(clock|skew|late|duplicate)/.test(rule)) return "timeliness";
  return "accuracy";
}
