/**
 * Telemetry that was a dead letter, made ready to be sent again: each message gets an identity by which the twin knows it
 * when it comes a second time.
 *
 * Z1 A message keeps its own id or number where the twin can tell for certain whether it has seen it. Otherwise its
 *    identity is derived from the dead letter, the same each time.
 * Z2 What cannot be read stays as it is: the twin refuses it again, with its reason.
 */
import { hash53 } from "../hash.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { type DedupWindow, isSure, sawBefore } from "./dedup-window.ts";
import { readJsonPayload } from "./json-payload.ts";
import { type Parsed, parseTelemetry, type TelemetryMessage } from "./telemetry.ts";

/** @param letter id of the dead letter */
export function namedAgain(payload: Uint8Array, letter: string, window: DedupWindow): Uint8Array {
  const read = readJsonPayload(payload, "The payload");
  if (read.kind === "refused") return payload;
  const { body } = read;
  const name = `dead-letter-${hash53(letter).toString(36)}`;
  const named = Array.isArray(body)
    ? body.map((element, index) => namedMessage(element, `${name}-${index}`, window))
    : namedMessage(body, name, window);
  return encoded(named) ?? payload;
}

function namedMessage(element: unknown, name: string, window: DedupWindow): unknown {
  if (!isJsonObject(element)) return element;
  const { seq, boot, ...rest } = element;
  if (element.id !== undefined || (seq !== undefined && isSureOf(element, window))) return element;
  return { ...rest, id: name };
}

function isSureOf(element: JsonObject, window: DedupWindow): boolean {
  // Dated and filled so that nothing but the identity is in question; the twin reads the real one.
  const { seq, boot } = element;
  const probe = { seq, ...(boot !== undefined && { boot }), ts: 0, readings: { probe: 0 } };
  const [parsed] = parseTelemetry(encoded(probe)!, 0, 0);
  // A malformed identity is refused again (Z2): the letter says why.
  return parsed?.kind !== "message" || isSure(window, parsed.message.identity);
}

/** A message of a payload that may have been sent before: has it reached the twin? `unsure`: only history can tell. */
export type EarlierMessage =
  | { readonly kind: "arrived" | "missing" }
  | { readonly kind: "unsure"; readonly message: TelemetryMessage };

/** Of each message of a payload that `namedAgain` gave. @param receivedAtMs the time of messages without one */
export function earlierMessages(payload: Uint8Array, receivedAtMs: number, window: DedupWindow): EarlierMessage[] {
  return parseTelemetry(payload, receivedAtMs, Number.POSITIVE_INFINITY).map((parsed: Parsed): EarlierMessage => {
    // Refused then as now: sending it again makes nothing but another dead letter.
    if (parsed.kind === "refused") return { kind: "missing" };
    const { message } = parsed;
    if (sawBefore(window, message.identity) && isSure(window, message.identity)) return { kind: "arrived" };
    return isSure(window, message.identity) ? { kind: "missing" } : { kind: "unsure", message };
  });
}

/** The messages of a payload for which `keep` holds, by their place; null: none. */
export function partOf(payload: Uint8Array, keep: (index: number) => boolean): Uint8Array | null {
  const read = readJsonPayload(payload, "The payload");
  if (read.kind === "refused" || !Array.isArray(read.body)) return keep(0) ? payload : null;
  const kept = read.body.filter((_, index) => keep(index));
  return kept.length === 0 ? null : (encoded(kept) ?? payload);
}

/** Null where it nests deeper than the stack: nobody can read that (Z2). */
function encoded(value: unknown): Uint8Array | null {
  try {
    return new TextEncoder().encode(JSON.stringify(value));
  } catch {
    return null;
  }
}
