import { BadCursor } from "./port.ts";

/** What a cursor goes on from: a device list after an id, everything else below an offset of the log. */
export type ListKind = "device" | "event" | "command";

/** An opaque cursor: base64url of the list's kind and the last item's key. */
export function encodeCursor(list: ListKind, key: string | number): string {
  return Buffer.from(`${list}:${key}`).toString("base64url");
}

/** The id after which a list of devices goes on; null for its beginning. */
export function decodeIdCursor(cursor: string | null): string | null {
  return cursor === null ? null : decode("device", cursor);
}

/** The offset below which a newest-first list goes on; null for its beginning. */
export function decodeOffsetCursor(list: "event" | "command", cursor: string | null): number | null {
  if (cursor === null) return null;
  const offset = Number(decode(list, cursor));
  if (!Number.isSafeInteger(offset) || offset < 0 || encodeCursor(list, offset) !== cursor) throw bad(list, cursor);
  return offset;
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
