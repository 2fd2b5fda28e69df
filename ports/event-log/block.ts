/**
 * The stored form of one append: a version byte, then zstd (level 1, with checksum) of newline-delimited JSON, a line
 * `[device, record]` per entry. JSON escapes NUL and lone surrogates, so every string survives.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { TwinRecord } from "../../core/device/records.ts";
import type { LogEntry } from "./port.ts";

const version = 1;
const parameters = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } };

/** Encodes at least one entry. Numbers have to be finite: JSON has no other. */
export function encodeBlock(entries: readonly LogEntry[]): Buffer {
  let lines = "";
  for (const { device, record } of entries) lines += `[${JSON.stringify(device)},${JSON.stringify(record)}]\n`;
  const compressed = zstdCompressSync(lines, parameters);
  const block = Buffer.allocUnsafe(compressed.length + 1);
  block[0] = version;
  compressed.copy(block, 1);
  return block;
}

/**
 * The `count` entries of a block. Throws `BadBlock` on bytes that `encodeBlock` did not make: the count matters, because
 * Node gives a truncated zstd frame's beginning without an error.
 */
export function decodeBlock(block: Uint8Array, count: number): LogEntry[] {
  if (block[0] !== version)
    throw new BadBlock(
      `A block of the event log has version ${block[0]}; this release reads ${version}. Update Doppel.`,
    );
  try {
    const lines = zstdDecompressSync(block.subarray(1)).toString("utf8");
    // One call of the parser for all lines; JSON text holds no raw newline but those between the lines.
    const pairs = JSON.parse(`[${lines.slice(0, -1).replaceAll("\n", ",")}]`) as [string, TwinRecord][];
    if (pairs.length !== count) throw new Error(`it holds ${pairs.length} records instead of ${count}`);
    return pairs.map(([device, record]) => ({ device, record }));
  } catch (cause) {
    throw new BadBlock(
      `A block of the event log is damaged: ${(cause as Error).message}. Restore the database from a backup.`,
      {
        cause,
      },
    );
  }
}

/** A stored block cannot be read. */
export class BadBlock extends Error {
  override readonly name = "BadBlock";
  readonly code = "BAD_BLOCK";
  readonly retry = "never";
}
