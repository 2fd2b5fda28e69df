import type { DeadLettered } from "../core/device/records.ts";
import { deviceIdPattern } from "../core/device/registration.ts";
import type { DeadLetterEvent } from "../ports/fleet-index/port.ts";

/** What names a dead letter, always: when it reached us, where it is in its log, and whose it is. */
export function letterIdOf({ device, offset, record }: DeadLetterEvent): string {
  return Buffer.from(`${record.atMs}/${offset}/${device}`).toString("base64url");
}

/** Null: no id that we made. */
export function letterPlaceOf(id: string): { device: string; atMs: number; offset: number } | null {
  const text = Buffer.from(id, "base64url").toString();
  const [at = "", offset = "", device = ""] = text.split("/");
  const place = { device, atMs: Number(at), offset: Number(offset) };
  const isWhole = Number.isFinite(place.atMs) && Number.isSafeInteger(place.offset) && place.offset >= 0;
  // Decoding forgives much, encoding nothing: only what we made survives both.
  const isOurs = Buffer.from(`${place.atMs}/${place.offset}/${device}`).toString("base64url") === id;
  return isWhole && isOurs && deviceIdPattern.test(device) ? place : null;
}

/** As it came. */
export function payloadOf({ payload, encoding }: DeadLettered): Uint8Array {
  return new Uint8Array(Buffer.from(payload, encoding === "base64" ? "base64" : "utf8"));
}
