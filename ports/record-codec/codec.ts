/**
 * A log record as Avro in Confluent's wire format (Confluent Platform, "Formats, Serializers, and Deserializers": a zero
 * byte, the schema's id in four bytes big-endian, the value), or as the JSON of earlier releases, which begins with "{".
 *
 * W1 What `encode` takes comes back as it was, whatever its texts hold (see `exact` in the schemas).
 * W2 A value of another version of its schema, older or newer, is read as far as this release knows it.
 * W3 What our schema does not have at all (a mistake of ours) is written as JSON: it is not lost, and stops nobody.
 */
import avsc from "avsc"; // CommonJS
import { type TwinRecord, topicOf } from "../../core/device/records.ts";
import { BadRecord, decodeRecord, encodeRecord } from "../record-log/codec.ts";
import { type LoggedRecord, type LogTopic, logTopics, type PublishableRecord } from "../record-log/port.ts";
import type { SchemaRegistry } from "../schema-registry/port.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { letterOf, letterValue } from "./dead-letter.ts";
import { type Branch, branchOf, eventOf } from "./device-events.ts";
import { logSchemas, subjectOf } from "./log-schemas.ts";
import { type ValueReader, valueReader } from "./schema-reading.ts";
import { readTelemetry, telemetryOf, writeTelemetry } from "./telemetry.ts";

type IdAndRecord = Pick<PublishableRecord, "id" | "record">;

/** Reads records, by schemas that it fetches. */
export type RecordReader = {
  /** @throws BadRecord | UnknownSchema: then `learn` its id and try again */
  decode(key: Uint8Array | null, value: Uint8Array | null, offset: number): LoggedRecord;
  /** Reads one record of the wire format and leaves `from` behind it. @throws as `decode` */
  read(from: ByteReader): IdAndRecord;
  /** Fetches the schemas that these values name and that are not known yet. @throws RegistryAway */
  learnFrom(values: Iterable<Uint8Array | null>): Promise<void>;
  /** Fetches a schema. One that the registry does not have makes its records bad ones. @throws RegistryAway */
  learn(id: number): Promise<void>;
};

/** Writes records too, by the schemas of this release. */
export type RecordCodec = RecordReader & {
  encode(record: IdAndRecord): Buffer;
  /** Appends the same bytes; JSON (W3) ends with a newline then. */
  write(to: ByteWriter, record: IdAndRecord): void;
};

/** A schema that has to be fetched before its records can be read. */
export class UnknownSchema extends Error {
  override readonly name = "UnknownSchema";
  readonly code = "UNKNOWN_SCHEMA";
  readonly retry = "later";
  readonly id: number;
  constructor(id: number) {
    super(`The schema ${id} of a record in the log has not been fetched from the registry yet.`);
    this.id = id;
  }
}

/**
 * Registers this release's schemas under the topics' subjects.
 * @throws IncompatibleSchema | RegistryAway
 */
export async function openRecordCodec(registry: SchemaRegistry, { prefix = "" } = {}): Promise<RecordCodec> {
  const ids = new Map<LogTopic, number>();
  for (const topic of logTopics) ids.set(topic, await registry.register(subjectOf(topic, prefix), logSchemas[topic]));
  return codecWith(registry, (topic) => ids.get(topic)!);
}

/** For those who only read: asks the registry when the first record comes. */
export function openRecordReader(registry: Pick<SchemaRegistry, "schema">): RecordReader {
  return readerWith(registry, new Map());
}

/** Without a registry, under ids of its own: for logs that end with the process. */
export function localRecordCodec(): RecordCodec {
  return codecWith({ schema: async () => null }, (topic) => logTopics.indexOf(topic) + 1);
}

const confluent = 0x00;
const json = 0x7b;
const newline = 0x0a;
/** How long the registry's word counts that it does not have a schema. */
const missingMs = 10_000;

function codecWith(registry: Pick<SchemaRegistry, "schema">, idOf: (topic: LogTopic) => number): RecordCodec {
  const own = new ByteWriter();
  const known = new Map(logTopics.map((topic) => [idOf(topic), readerOf(idOf(topic), logSchemas[topic])]));

  function write(to: ByteWriter, { id, record }: IdAndRecord): void {
    const start = to.length;
    try {
      const topic = topicOf(record);
      to.byte(confluent);
      to.uint32(idOf(topic));
      const body = to.length;
      to.replaced = false;
      writeBody(to, id, record, null);
      if (!to.replaced) return;
      to.length = body;
      writeBody(to, id, record, encodeRecord({ id, record }).toString()); // W1
    } catch {
      to.length = start; // W3
      to.raw(encodeRecord({ id, record }));
      to.byte(newline);
    }
  }

  return {
    ...readerWith(registry, known),
    write,
    encode(record) {
      own.reset();
      write(own, record);
      const bytes = own.written();
      return Buffer.from(bytes[0] === json ? bytes.subarray(0, -1) : bytes);
    },
  };
}

const letterType = avsc.Type.forSchema(JSON.parse(logSchemas["dead-letter"]));
const eventType = avsc.Type.forSchema(JSON.parse(logSchemas["device-events"]));

/** @param exact id and record as JSON, where their texts are no Unicode */
function writeBody(to: ByteWriter, id: string, record: TwinRecord, exact: string | null): void {
  if (record.kind === "telemetry") {
    writeTelemetry(to, id, record, exact);
    return;
  }
  const value =
    record.kind === "deadLettered"
      ? { id, ...letterValue(record), exact }
      : { id, atMs: record.atMs, kind: record.kind, event: branchOf(record), exact };
  if (exact === null && !isUnicode(value)) {
    to.replaced = true;
    return;
  }
  const type = record.kind === "deadLettered" ? letterType : eventType;
  const given = exact === null ? value : asUnicode(value);
  let end = type.encode(given, to.bytes, to.length);
  if (end < 0) {
    to.reserve(-end + to.bytes.length - to.length);
    end = type.encode(given, to.bytes, to.length);
  }
  to.length = end;
}

/** Whether Avro's strings can hold all texts of the value, and most readers all keys. */
function isUnicode(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  for (const key in value) {
    if (key === "__proto__" || !key.isWellFormed() || !isUnicode((value as Record<string, unknown>)[key])) return false;
  }
  return true;
}

function asUnicode(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(asUnicode);
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key.toWellFormed(), asUnicode(child)]));
}

/** What reads the records of one schema. */
type SchemaReader = (from: ByteReader) => IdAndRecord;

function readerWith(registry: Pick<SchemaRegistry, "schema">, known: Map<number, SchemaReader>): RecordReader {
  /** Ids that the registry did not have, and until when that counts (`performance.now`). */
  const missing = new Map<number, number>();
  const fetching = new Map<number, Promise<void>>();

  function read(from: ByteReader): IdAndRecord {
    const first = from.byte();
    if (first === json) return readJsonLine(from);
    if (first !== confluent) throw new BadRecord(`its first byte is ${first}, neither 0 (Avro) nor 123 ("{", JSON)`);
    try {
      const id = from.uint32();
      const reader = known.get(id);
      if (reader !== undefined) return reader(from);
      if ((missing.get(id) ?? 0) > performance.now())
        throw new BadRecord(`the schema registry has no schema ${id}, by which it was written`);
      throw new UnknownSchema(id);
    } catch (error) {
      if (error instanceof BadRecord || error instanceof UnknownSchema) throw error;
      throw new BadRecord(`its bytes are not of its schema: ${(error as Error).message}`, { cause: error });
    }
  }

  async function fetchSchema(id: number): Promise<void> {
    const schema = await registry.schema(id);
    if (schema !== null) {
      known.set(id, readerOf(id, schema));
      missing.delete(id);
      return;
    }
    if (missing.size >= 1_000) missing.clear(); // somebody writes nonsense
    missing.set(id, performance.now() + missingMs);
  }

  async function learn(id: number): Promise<void> {
    if (known.has(id) || (missing.get(id) ?? 0) > performance.now()) return;
    const under = fetching.get(id) ?? fetchSchema(id).finally(() => fetching.delete(id));
    fetching.set(id, under);
    await under;
  }

  return {
    read,
    learn,
    decode(key, value, offset) {
      if (key === null || key.length === 0 || value === null || value.length === 0 || value[0] === json)
        return decodeRecord(key, value, offset);
      const from = new ByteReader(value);
      const { id, record } = read(from);
      if (!from.atEnd) throw new BadRecord(`${from.bytes.length - from.at} bytes follow it`);
      return { offset, id, device: Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("utf8"), record };
    },
    async learnFrom(values) {
      const ids = new Set<number>();
      for (const value of values) {
        if (value === null || value.length < 5 || value[0] !== confluent) continue;
        const id = ((value[1]! << 24) | (value[2]! << 16) | (value[3]! << 8) | value[4]!) >>> 0;
        if (!known.has(id)) ids.add(id);
      }
      for (const id of ids) await learn(id);
    },
  };
}

/** JSON that `write` has put, up to its newline (W3). */
function readJsonLine(from: ByteReader): IdAndRecord {
  const end = from.bytes.indexOf(newline, from.at);
  if (end < 0) throw new BadRecord("its JSON does not end");
  const value = from.bytes.subarray(from.at - 1, end);
  from.at = end + 1;
  const { id, record } = decodeRecord(anyKey, value, 0);
  return { id, record };
}

const anyKey = Buffer.from("-");

/** Never throws: a schema by which nothing can be read makes its records bad ones. */
function readerOf(id: number, schema: string): SchemaReader {
  const topic = logTopics.find((each) => nameOf(logSchemas[each]) === nameOf(schema));
  const refused = (why: string): SchemaReader => {
    return () => {
      throw new BadRecord(why);
    };
  };
  if (topic === undefined) return refused(`its schema ${id}, ${nameOf(schema)}, is none of Doppel's`);
  let values: ValueReader;
  try {
    values = valueReader(schema, logSchemas[topic]);
  } catch (error) {
    return refused(`its schema ${id} cannot be used: ${(error as Error).message}`);
  }
  if (topic === "iot-telemetry" && values.same) return readTelemetry;
  return (from) => {
    const { value, end } = values.read(from.bytes, from.at);
    from.at = end;
    const given = value as Given;
    if (given.exact != null) return JSON.parse(given.exact);
    if (topic === "iot-telemetry") return { id: given.id, record: telemetryOf(value as never) };
    if (topic === "dead-letter") return { id: given.id, record: letterOf(value as never) };
    const record = eventOf(given.atMs, given.event);
    if (record === null)
      throw new BadRecord(`this release does not know its kind, ${Object.keys(given.event).join(" ")}`);
    return { id: given.id, record };
  };
}

/** What the three schemas have in common, and the event of device-events. */
type Given = {
  readonly id: string;
  readonly atMs: number;
  readonly exact?: string | null;
  readonly event: Branch;
};

function nameOf(schema: string): string {
  try {
    const { name, namespace } = JSON.parse(schema) as { name?: string; namespace?: string };
    return namespace === undefined ? String(name) : `${namespace}.${name}`;
  } catch {
    return "no JSON";
  }
}
