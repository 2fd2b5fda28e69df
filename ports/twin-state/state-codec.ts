/**
 * The texts in which a twin's state is stored, whatever stores it. JSON on one line: its escapes carry NUL, newlines
 * and lone surrogates. What cannot be read throws, with a sentence that says what is wrong.
 */
import type { Reply } from "../../core/device/inputs.ts";
import type { TurnReceipt } from "../../core/device/receipts.ts";
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

/** "" for none, as nearly all twins have. A reply that holds a twin is never among them (`withReceipt`). */
export function writeReceipts(receipts: readonly TurnReceipt[]): string {
  return receipts.length === 0
    ? ""
    : JSON.stringify(receipts.map(({ turn, digest, reply, atMs }) => [turn, digest, reply, atMs]));
}

export function readReceipts(text: string): TurnReceipt[] {
  if (text === "") return [];
  const stored = JSON.parse(text) as [string, number, Reply | null, number?][];
  return stored.map(([turn, digest, reply, atMs = 0]) => ({ turn, digest, reply, atMs }));
}

export function readRecord(text: string): TwinRecord {
  const record = JSON.parse(text) as TwinRecord | null;
  if (typeof record?.kind !== "string") throw new Error("A record of the outbox has no kind.");
  return record;
}
