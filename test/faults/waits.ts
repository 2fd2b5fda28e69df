/** How long devices waited, by what was wrong meanwhile. */
import type { KeptRecord } from "./check-distributed.ts";
import { type Journal, telemetryKey } from "./journal.ts";

/** From a fault until the system was up again. Epoch ms. */
export type Trouble = { readonly kind: string; readonly fromMs: number; readonly untilMs: number };

/** The longest of each, in ms. */
export type Waits = {
  /** From a PUBLISH to the broker's acknowledgement. */
  acknowledged: number;
  /** From a PUBLISH of telemetry to its record in Kafka. */
  logged: number;
  /** From a shadow update to its answer at the device. */
  answered: number;
};

/** A message that went out shortly before may have been under way. */
const beforeMs = 1_000;

/**
 * The longest waits of messages that went out in each kind of trouble; "none" is what came before all. Of devices that never left
 * by themselves: the others wait for their own sake.
 */
export function longestWaits(
  journal: Journal,
  log: readonly KeptRecord[],
  steady: readonly string[],
  troubles: readonly Trouble[],
): Map<string, Waits> {
  const loggedMs = new Map<string, number>();
  for (const { device, record, loggedAtMs } of log)
    if (record.kind === "telemetry" && record.identity.kind === "sequence")
      loggedMs.set(telemetryKey({ device, ...record.identity }), loggedAtMs);
  const spans = spansOf(troubles);
  const waits = new Map<string, Waits>();
  const there = new Set(steady);
  const note = (of: keyof Waits, device: string, sentMs: number | null, endMs: number | null | undefined) => {
    if (sentMs === null || !there.has(device) || endMs === null || endMs === undefined) return;
    const inIt = spans.filter(({ fromMs, untilMs }) => sentMs >= fromMs && sentMs < untilMs);
    for (const kind of inIt.length === 0 ? ["none"] : inIt.map((trouble) => trouble.kind)) {
      const longest = waits.get(kind) ?? { acknowledged: 0, logged: 0, answered: 0 };
      longest[of] = Math.max(longest[of], endMs - sentMs);
      waits.set(kind, longest);
    }
  };
  for (const [key, sent] of journal.telemetry) {
    note("acknowledged", sent.device, sent.sentMs, sent.acknowledgedMs);
    note("logged", sent.device, sent.sentMs, loggedMs.get(key));
  }
  for (const sent of journal.updates.values()) note("answered", sent.device, sent.sentMs, sent.answeredMs);
  return waits;
}

/** Each with what went out shortly before, and until shortly before the next one: its consequences may come late. */
function spansOf(troubles: readonly Trouble[]): Trouble[] {
  const ordered = troubles.toSorted((a, b) => a.fromMs - b.fromMs);
  return ordered.map(({ kind, fromMs, untilMs }, index) => {
    const nextMs = ordered[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY;
    return { kind, fromMs: fromMs - beforeMs, untilMs: Math.max(untilMs, nextMs - beforeMs) };
  });
}
