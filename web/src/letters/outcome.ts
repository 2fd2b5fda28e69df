import type { DeadLetter } from "../contract.ts";
import { formatNumber, formatWords } from "../format.ts";

export type Told = { tone: "online" | "bad" | "quiet"; text: string };

/** What came of sending a letter again, in a few words; null: it never was. */
export function resendWords(resend: DeadLetter["resend"]): Told | null {
  if (resend === null) return null;
  const { outcome } = resend;
  if (outcome === null) return { tone: "quiet", text: resend.detail };
  switch (outcome.kind) {
    case "taken":
      return { tone: "online", text: "taken" };
    case "refused":
      return { tone: "bad", text: `refused again: ${outcome.detail}` };
    case "counted": {
      const { accepted, duplicates, refused } = outcome;
      const parts = [
        accepted > 0 ? `${formatNumber(accepted)} accepted` : "",
        duplicates > 0 ? `${formatNumber(duplicates)} there already` : "",
        refused > 0 ? `${formatNumber(refused)} refused again` : "",
      ].filter((part) => part !== "");
      return { tone: refused > 0 ? "bad" : "online", text: parts.join(", ") || "nothing to take" };
    }
    default:
      return { tone: "quiet", text: resend.detail };
  }
}

/** Whether it can still be sent: a try whose end nobody heard can be finished. */
export function canBeSent({ sendable, resend }: Pick<DeadLetter, "sendable" | "resend">): boolean {
  return sendable && resend?.state !== "sent";
}

/** "temperature-range: temperature", a rule's name and the metric that broke it, of each once. */
export function brokenRules(letter: Pick<DeadLetter, "broken">): { rule: string; metrics: string[] }[] {
  const rules = new Map<string, string[]>();
  for (const { rule, metric } of letter.broken) {
    const metrics = rules.get(rule) ?? [];
    if (metric !== "" && !metrics.includes(metric)) metrics.push(metric);
    rules.set(rule, metrics);
  }
  return [...rules].map(([rule, metrics]) => ({ rule, metrics }));
}

/** "quarantined", "malformed json": why it is here. */
export function reasonWords(reason: string): string {
  const words = formatWords(reason);
  return words.charAt(0).toUpperCase() + words.slice(1);
}
