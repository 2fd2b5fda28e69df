/**
 * The texts in which a twin's state is stored, whatever stores it; its receipts are receipts-text.ts. JSON on one line: its
 * escapes carry NUL, newlines and lone surrogates. What cannot be read throws, with a sentence that says what is wrong.
 */
import type { TwinRecord } from "../../core/device/records.ts";
import type { Twin } from "../../core/device/twin.ts";
import { decodeTwin } from "../../core/device/twin-codec.ts";

/** Moves when an older release could not read the texts that this one writes, or the reverse. */
export const stateFormat = 1;

/** The twin of `device`, from a text that `encodeTwin` made. */
export function readTwin(device: string, text: string): Twin {
  const twin = decodeTwin(text);
  if (twin.id !== device) throw new Error(`It is the state of "${twin.id}".`);
  if (!Number.isSafeInteger(twin.revision)) throw new Error(`The twin's revision is ${twin.revision}, not a number.`);
  return twin;
}

export function readRecord(text: string): TwinRecord {
  const record = JSON.parse(text) as TwinRecord | null;
  if (typeof record?.kind !== "string") throw new Error("A record of the outbox has no kind.");
  return record;
}
