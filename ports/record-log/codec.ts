/**
 * A record as JSON, as earlier releases wrote it: Kafka key = device id, value = `{"id":…,"record":…}` in UTF-8.
 *
 * The first byte of the value says how to read the rest: `{` (0x7b) is this JSON, 0x00 is Confluent's wire format
 * (ports/record-codec), so that readers which know both can meet both in one partition.
 */
import type { TwinRecord } from "../../core/device/records.ts";
import type { LoggedRecord, PublishableRecord } from "./port.ts";

const JSON_OBJECT = 0x7b;
const CONFLUENT = 0x00;

export function encodeRecord({ id, record }: Pick<PublishableRecord, "id" | "record">): Buffer {
  return Buffer.from(`{"id":${JSON.stringify(id)},"record":${JSON.stringify(record)}}`);
}

/** @throws BadRecord when the bytes are no record that this release can read */
export function decodeRecord(key: Uint8Array | null, value: Uint8Array | null, offset: number): LoggedRecord {
  if (key === null || key.length === 0) throw new BadRecord("it has no key; the key is the device's id");
  if (value === null || value.length === 0) throw new BadRecord("it is empty; a record is never deleted by its key");
  if (value[0] === CONFLUENT)
    throw new BadRecord("it is in Confluent's wire format, and this reader was given JSON only");
  if (value[0] !== JSON_OBJECT) throw new BadRecord(`its first byte is ${value[0]} instead of ${JSON_OBJECT} ("{")`);
  let body: { id?: unknown; record?: { kind?: unknown } | null };
  try {
    body = JSON.parse(text(value));
  } catch (cause) {
    throw new BadRecord(`it is no JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof body.id !== "string") throw new BadRecord(`"id" is ${typeof body.id} instead of a string`);
  if (typeof body.record?.kind !== "string") throw new BadRecord('"record" is no object with a "kind"');
  return { offset, id: body.id, device: text(key), record: body.record as TwinRecord };
}

/** Bytes in the log that are no record. Whoever reads tells it, with the place, and goes on (R6). */
export class BadRecord extends Error {
  override readonly name = "BadRecord";
  readonly code = "BAD_RECORD";
  readonly retry = "never";
  constructor(what: string, options?: ErrorOptions) {
    super(`A record of the log cannot be read: ${what}. Look who else writes to the topic, or update Doppel.`, options);
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
