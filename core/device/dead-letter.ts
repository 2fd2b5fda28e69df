import { utf8Text } from "../utf8.ts";
import type { DeadLettered } from "./records.ts";
import { originOf, type Registration } from "./registration.ts";

/** A dead letter of a message, its payload as text where it is text. `registration`: of its device, null if it has none. */
export function deadLetter(
  message: { topic: string; payload: Uint8Array; reason: string; detail: string },
  atMs: number,
  registration: Registration | null,
): DeadLettered {
  const { topic, payload, reason, detail } = message;
  const text = utf8Text(payload);
  const kept =
    text === null
      ? { payload: base64(payload), encoding: "base64" as const }
      : { payload: text, encoding: "utf8" as const };
  return { kind: "deadLettered", atMs, topic, reason, detail, ...kept, ...originOf(registration) };
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
