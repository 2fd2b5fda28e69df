/**
 * Telemetry records in the form of schemas/iot-telemetry.avsc, written and read by hand: there is one for each message,
 * and this takes a fraction of what a general codec does. A test holds it to avsc.
 */
import type { TelemetryAccepted } from "../../core/device/records.ts";
import type { MessageIdentity, Readings, ReadingValue } from "../../core/device/telemetry.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { type Covered, putOwn } from "./covered.ts";

/** Every field of the record is written below: a new one makes this line an error until the schema has it, too. */
true satisfies Covered<
  TelemetryAccepted,
  "kind" | "atMs" | "tsMs" | "readings" | "identity" | "tags" | "type" | "region" | "flags" | "unchangedSince"
>;

/** @throws RangeError | TypeError for values that the schema does not have */
export function writeTelemetry(to: ByteWriter, id: string, record: TelemetryAccepted, exact: string | null): void {
  to.string(id);
  to.long(record.atMs);
  to.long(record.tsMs);
  writeReadings(to, record.readings);
  writeIdentity(to, record.identity);
  writeMap(to, record.tags, writeText);
  writeOptional(to, record.type);
  writeOptional(to, record.region);
  writeMap(to, record.flags, writeRules);
  writeMap(to, record.unchangedSince, writeTime);
  writeOptional(to, exact ?? undefined);
}

function writeReadings(to: ByteWriter, readings: Readings): void {
  const names = Object.keys(readings);
  if (names.length > 0) to.long(names.length);
  for (const name of names) {
    if (name === "__proto__") to.replaced = true; // most readers cannot have it as a key
    to.string(name);
    const value = readings[name];
    if (typeof value === "number") {
      to.byte(0);
      to.double(value);
    } else if (typeof value === "boolean") {
      to.byte(2);
      to.boolean(value);
    } else {
      to.byte(4);
      to.string(value as string);
    }
  }
  to.byte(0);
}

function writeIdentity(to: ByteWriter, identity: MessageIdentity): void {
  switch (identity.kind) {
    case "sequence":
      to.byte(0);
      to.string(identity.boot);
      to.long(identity.seq);
      return;
    case "id":
      to.byte(2);
      to.string(identity.id);
      return;
    case "hash":
      to.byte(4);
      to.long(identity.hash);
      return;
    default:
      throw new TypeError("the identity is of no known kind");
  }
}

function writeMap<T>(
  to: ByteWriter,
  map: Readonly<Record<string, T>> | undefined,
  write: (to: ByteWriter, value: T) => void,
): void {
  if (map === undefined) {
    to.byte(0);
    return;
  }
  to.byte(2);
  const names = Object.keys(map);
  if (names.length > 0) to.long(names.length);
  for (const name of names) {
    if (name === "__proto__") to.replaced = true;
    to.string(name);
    write(to, map[name]!);
  }
  to.byte(0);
}

function writeOptional(to: ByteWriter, text: string | undefined): void {
  to.byte(text === undefined ? 0 : 2);
  if (text !== undefined) to.string(text);
}

const writeText = (to: ByteWriter, text: string) => to.string(text);
const writeTime = (to: ByteWriter, timeMs: number) => to.long(timeMs);

function writeRules(to: ByteWriter, rules: readonly string[]): void {
  if (rules.length > 0) to.long(rules.length);
  for (const rule of rules) to.string(rule);
  to.byte(0);
}

/** @throws RangeError for bytes that are none */
export function readTelemetry(from: ByteReader): { id: string; record: TelemetryAccepted } {
  const id = from.string();
  const atMs = from.long();
  const tsMs = from.long();
  const readings = readMap(from, readReading);
  const identity = readIdentity(from);
  const tags = readOptional(from, readTags);
  const type = readOptional(from, readName);
  const region = readOptional(from, readName);
  const flags = readOptional(from, readFlags);
  const unchangedSince = readOptional(from, readTimes);
  const exact = readOptional(from, readText);
  if (exact !== undefined) return JSON.parse(exact);
  const record: Mutable<TelemetryAccepted> = { kind: "telemetry", atMs, tsMs, readings, identity };
  if (tags !== undefined) record.tags = tags;
  if (type !== undefined) record.type = type;
  if (region !== undefined) record.region = region;
  if (flags !== undefined) record.flags = flags;
  if (unchangedSince !== undefined) record.unchangedSince = unchangedSince;
  return { id, record };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readReading(from: ByteReader): ReadingValue {
  switch (from.byte()) {
    case 0:
      return from.double();
    case 2:
      return from.boolean();
    case 4:
      return from.string();
    default:
      throw new RangeError("a reading is of no known type");
  }
}

function readIdentity(from: ByteReader): MessageIdentity {
  switch (from.byte()) {
    case 0:
      return { kind: "sequence", boot: from.name(), seq: from.long() };
    case 2:
      return { kind: "id", id: from.string() };
    case 4:
      return { kind: "hash", hash: from.long() };
    default:
      throw new RangeError("the identity is of no known kind");
  }
}

function readMap<T>(from: ByteReader, read: (from: ByteReader) => T): Record<string, T> {
  const map: Record<string, T> = {};
  for (let count = from.listed(); count > 0; count = from.listed())
    for (; count > 0; count -= 1) putOwn(map, from.name(), read(from));
  return map;
}

function readOptional<T>(from: ByteReader, read: (from: ByteReader) => T): T | undefined {
  const branch = from.byte();
  if (branch === 0) return undefined;
  if (branch !== 2) throw new RangeError("an optional field is of no known type");
  return read(from);
}

const readText = (from: ByteReader) => from.string();
const readName = (from: ByteReader) => from.name();
const readTime = (from: ByteReader) => from.long();
const readTags = (from: ByteReader) => readMap(from, readText);
const readFlags = (from: ByteReader) => readMap(from, readRules);
const readTimes = (from: ByteReader) => readMap(from, readTime);

function readRules(from: ByteReader): string[] {
  const rules: string[] = [];
  for (let count = from.listed(); count > 0; count = from.listed())
    for (; count > 0; count -= 1) rules.push(from.name());
  return rules;
}

/** A value of another version of the schema, in the form that avsc gives. */
export function telemetryOf(value: { readonly [F in keyof TelemetryAccepted]: never }): TelemetryAccepted {
  const { atMs, tsMs, readings, identity, tags, type, region, flags, unchangedSince } = value;
  return {
    ...{ kind: "telemetry", atMs, tsMs, readings: { ...(readings as Readings) } },
    identity: identityOf(identity),
    ...(tags == null ? {} : { tags }),
    ...(type == null ? {} : { type }),
    ...(region == null ? {} : { region }),
    ...(flags == null ? {} : { flags }),
    ...(unchangedSince == null ? {} : { unchangedSince }),
  };
}

function identityOf(branch: Readonly<Record<string, unknown>>): MessageIdentity {
  const [name, value] = Object.entries(branch)[0] ?? ["none", {}];
  const { boot, seq, id, hash } = value as { boot: string; seq: number; id: string; hash: number };
  switch (name) {
    case "doppel.Sequence":
      return { kind: "sequence", boot, seq };
    case "doppel.MessageId":
      return { kind: "id", id };
    case "doppel.PayloadHash":
      return { kind: "hash", hash };
    default:
      throw new RangeError(`the identity is of no known kind: ${name}`);
  }
}
