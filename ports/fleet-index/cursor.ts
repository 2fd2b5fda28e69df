import { BadCursor } from "./port.ts";

/** What a cursor goes on from: a device list after an id, everything else below a place. */
export type ListKind = "device" | "event" | "command";

/**
 * Where an item stands in a newest-first list: by its time, then as the logs say. The offsets of two partitions say
 * nothing about each other, so that device and kind (empty for commands) decide what is left. Unique within a list.
 */
export type Place = {
  readonly atMs: number;
  readonly offset: number;
  readonly device: string;
  readonly kind: string;
};

/** Above every place. */
export const newest: Place = { atMs: Number.POSITIVE_INFINITY, offset: 0, device: "", kind: "" };

/** Negative if `a` is older than `b`. */
export function comparePlaces(a: Place, b: Place): number {
  return a.atMs - b.atMs || a.offset - b.offset || compare(a.device, b.device) || compare(a.kind, b.kind);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** An opaque cursor: base64url of the list's kind and the last item's key. */
export function encodeCursor(list: ListKind, key: string | Place): string {
  // No device id holds a slash.
  const text = typeof key === "string" ? key : `${key.atMs}/${key.offset}/${key.device}/${key.kind}`;
  return Buffer.from(`${list}:${text}`).toString("base64url");
}

/** The id after which a list of devices goes on; null for its beginning. */
export function decodeIdCursor(cursor: string | null): string | null {
  return cursor === null ? null : decode("device", cursor);
}

/** The place below which a newest-first list goes on; `newest` for its beginning. */
export function decodePlaceCursor(list: "event" | "command", cursor: string | null): Place {
  if (cursor === null) return newest;
  const [at, offset, device = "", kind = ""] = decode(list, cursor).split("/");
  const place = { atMs: Number(at), offset: Number(offset), device, kind };
  const whole = Number.isSafeInteger(place.atMs) && Number.isSafeInteger(place.offset) && place.offset >= 0;
  if (!whole || device === "" || encodeCursor(list, place) !== cursor) throw bad(list, cursor);
  return place;
}

function decode(list: ListKind, cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString();
  const key = text.slice(list.length + 1);
  // Decoding forgives much, encoding nothing: only what we made survives both.
  if (key === "" || encodeCursor(list, key) !== cursor || key.includes("\0")) throw bad(list, cursor);
  return key;
}

function bad(list: ListKind, cursor: string): BadCursor {
  return new BadCursor(
    `"${cursor.slice(0, 80)}" is no cursor of a ${list} list. Take "next" of the page before, as it is.`,
  );
}
