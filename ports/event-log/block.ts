/**
 * The stored form of one append: a version byte, then zstd (level 1, with checksum) of what the version says.
 *
 * 2: per entry the device's id as an Avro string, then the record in Confluent's wire format (ports/record-codec). The
 *    record's own id is empty, or what another publisher gave it (`recordId`).
 * 1: newline-delimited JSON, a line `[device, record]` per entry. Read, and written no more.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { TwinRecord } from "../../core/device/records.ts";
import { ByteReader } from "../record-codec/byte-reader.ts";
import { ByteWriter } from "../record-codec/byte-writer.ts";
import { type RecordCodec, type RecordReader, UnknownSchema } from "../record-codec/codec.ts";
import type { LogEntry } from "./port.ts";

const version = 2;
const jsonVersion = 1;
const parameters = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } };
/** One is enough: nothing waits between the first byte and the last. */
const writer = new ByteWriter();

/** Encodes at least one entry. Numbers have to be finite. */
export function encodeBlock(entries: readonly LogEntry[], codec: Pick<RecordCodec, "write">): Buffer {
  writer.reset();
  for (const { device, record } of entries) {
    writeDevice(device);
    const { recordId } = record as { recordId?: string };
    if (recordId === undefined) codec.write(writer, { id: "", record });
    else codec.write(writer, { id: recordId, record: withoutId(record) });
  }
  const compressed = zstdCompressSync(writer.written(), parameters);
  const block = Buffer.allocUnsafe(compressed.length + 1);
  block[0] = version;
  compressed.copy(block, 1);
  return block;
}

/**
 * The `count` entries of a block. Throws `BadBlock` on bytes that `encodeBlock` did not make: the count matters, because
 * Node gives a truncated zstd frame's beginning without an error. Throws `UnknownSchema` where the reader has to learn one.
 */
export function decodeBlock(block: Uint8Array, count: number, reader: Pick<RecordReader, "read">): LogEntry[] {
  if (block[0] !== version && block[0] !== jsonVersion)
    throw new BadBlock(
      `A block of the event log has version ${block[0]}; this release reads ${jsonVersion} and ${version}. Update Doppel.`,
    );
  try {
    const bytes = zstdDecompressSync(block.subarray(1));
    const entries = block[0] === jsonVersion ? entriesOfJson(bytes) : entriesOf(bytes, count, reader);
    if (entries.length !== count) throw new Error(`it holds ${entries.length} records instead of ${count}`);
    return entries;
  } catch (cause) {
    if (cause instanceof UnknownSchema) throw cause;
    throw new BadBlock(
      `A block of the event log is damaged: ${(cause as Error).message}. Restore the database from a backup.`,
      { cause },
    );
  }
}

/** As `decodeBlock`, after fetching what schemas the block needs. @throws BadBlock | RegistryAway */
export async function readBlock(
  block: Uint8Array,
  count: number,
  reader: Pick<RecordReader, "read" | "learn">,
): Promise<LogEntry[]> {
  for (;;) {
    try {
      return decodeBlock(block, count, reader);
    } catch (error) {
      if (!(error instanceof UnknownSchema)) throw error;
      await reader.learn(error.id);
    }
  }
}

/** As an Avro string; JSON in a mark of its own where it is no Unicode, which no device's id should be. */
function writeDevice(device: string): void {
  const start = writer.length;
  writer.replaced = false;
  writer.string(device);
  if (!writer.replaced) return;
  writer.length = start;
  writer.long(-1);
  writer.string(JSON.stringify(device));
}

function readDevice(from: ByteReader): string {
  const start = from.at;
  if (from.long() === -1) return JSON.parse(from.string()) as string;
  from.at = start;
  return from.name();
}

function entriesOf(bytes: Buffer, count: number, reader: Pick<RecordReader, "read">): LogEntry[] {
  const from = new ByteReader(bytes);
  const entries: LogEntry[] = [];
  while (!from.atEnd && entries.length <= count) {
    const device = readDevice(from);
    const { id, record } = reader.read(from);
    entries.push({ device, record: id === "" ? record : withId(record, id) });
  }
  return entries;
}

function entriesOfJson(bytes: Buffer): LogEntry[] {
  const lines = bytes.toString("utf8");
  // One call of the parser for all lines; JSON text holds no raw newline but those between the lines.
  const pairs = JSON.parse(`[${lines.slice(0, -1).replaceAll("\n", ",")}]`) as [string, TwinRecord][];
  return pairs.map(([device, record]) => ({ device, record }));
}

function withId(record: TwinRecord, recordId: string): TwinRecord {
  const named: TwinRecord & { readonly recordId: string } = { ...record, recordId };
  return named;
}

function withoutId(record: TwinRecord): TwinRecord {
  const { recordId: _, ...own } = record as TwinRecord & { recordId?: string };
  return own as TwinRecord;
}

/** A stored block cannot be read. */
export class BadBlock extends Error {
  override readonly name = "BadBlock";
  readonly code = "BAD_BLOCK";
  readonly retry = "never";
}
