import type { DeadLettered } from "./records.ts";

/** A dead letter of a message, its payload as text where it is text. */
export function deadLetter(
  message: { topic: string; payload: Uint8Array; reason: string; detail: string },
  atMs: number,
): DeadLettered {
  const { topic, payload, reason, detail } = message;
  try {
    return { kind: "deadLettered", atMs, topic, reason, detail, payload: utf8.decode(payload), encoding: "utf8" };
  } catch {
    return { kind: "deadLettered", atMs, topic, reason, detail, payload: base64(payload), encoding: "base64" };
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
