/**
 * Numbers as the bytes of Parquet's pages (format 2.x, Encodings.md): RLE and bit packing, delta binary packed. Over typed
 * arrays and in integers, since each reading passes here a dozen times.
 */
import { ByteWriter } from "hyparquet-writer";
import { deltaBinaryPack } from "hyparquet-writer/src/delta.js";

/** Bytes that grow. Whoever writes reserves room first. */
export class Bytes {
  #bytes: Uint8Array;
  #view: DataView;
  length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written; not a copy. */
  taken(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + more));
    grown.set(this.taken());
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  uint8(value: number): void {
    this.#bytes[this.length] = value;
    this.length += 1;
  }

  uint32(value: number): void {
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  float64(value: number): void {
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** At most 10 bytes. @param value whole, from 0 to 2⁵³ */
  varint(value: number): void {
    let rest = value;
    while (rest >= 2 ** 31) {
      this.uint8((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    for (; rest >= 128; rest >>>= 7) this.uint8((rest & 0x7f) | 0x80);
    this.uint8(rest);
  }

  /** @param value whole, at most 2⁵² from 0 */
  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }
}

/** Of the numbers 0 to `most`. */
export function bitWidthOf(most: number): number {
  return 32 - Math.clz32(most);
}

/** Encodings.md, "RLE / Bit-Packing Hybrid": of a fixed width, without a length before it. */
export function writeHybrid(out: Bytes, values: Uint32Array | Uint8Array, count: number, width: number): void {
  // No run is shorter than 8 values, and none has more than 5 bytes before its values.
  out.reserve(Math.ceil(count / 8) * (width + 9) + 16);
  let packedFrom = 0;
  let at = 0;
  while (at < count) {
    const value = values[at]!;
    let end = at + 1;
    while (end < count && values[end] === value) end += 1;
    if (end - at < 8 && end < count) {
      at += 8; // into the packed ones, eight at a time
      continue;
    }
    if (packedFrom < at) writePacked(out, values, packedFrom, at, width);
    out.varint((end - at) * 2);
    for (let bits = 0; bits < width; bits += 8) out.uint8((value >>> bits) & 0xff);
    packedFrom = end;
    at = end;
  }
  if (packedFrom < count) writePacked(out, values, packedFrom, count, width);
}

/** In groups of eight, of which the last is filled up. */
function writePacked(out: Bytes, values: Uint32Array | Uint8Array, from: number, to: number, width: number): void {
  const groups = Math.ceil((to - from) / 8);
  out.varint(groups * 2 + 1);
  pack(out, values, from, Math.min(to, values.length), groups * 8, width);
}

/** `count` values of `width` bits (0 to 32), those from `to` on as 0; the last byte is filled up. */
function pack(
  out: Bytes,
  values: Uint32Array | Uint8Array,
  from: number,
  to: number,
  count: number,
  width: number,
): void {
  let word = 0;
  let used = 0;
  for (let index = 0; index < count; index += 1) {
    const value = from + index < to ? values[from + index]! : 0;
    word |= value << used;
    used += width;
    if (used < 32) continue;
    out.uint32(word >>> 0);
    used -= 32;
    word = used === 0 ? 0 : value >>> (width - used);
  }
  for (; used > 0; used -= 8, word >>>= 8) out.uint8(word & 0xff);
}

const blockValues = 128;
const miniblockValues = 32;
const miniblocks = blockValues / miniblockValues;
/** Differences of these, and differences of those, are whole. */
const farthest = 2 ** 51;

/** Encodings.md, "Delta Encoding": INT64. @param values whole */
export function writeDeltas(out: Bytes, values: Float64Array): void {
  let [least, most, isWhole] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, true];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
    if (value !== Math.floor(value)) isWhole = false;
  }
  const isNear = isWhole && most - least < 2 ** 31 && least > -farthest && most < farthest;
  if (isNear) writeNearDeltas(out, values);
  else writeFarDeltas(out, values);
}

/** All of them within 2³¹ of each other, so that differences less the least one have 32 bits. */
function writeNearDeltas(out: Bytes, values: Float64Array): void {
  const blocks = Math.ceil((values.length - 1) / blockValues);
  out.reserve(32 + blocks * (10 + miniblocks + blockValues * 4));
  out.varint(blockValues);
  out.varint(miniblocks);
  out.varint(values.length);
  out.zigzag(values[0]!);
  const deltas = new Float64Array(blockValues);
  const adjusted = new Uint32Array(blockValues);
  const widths = new Uint8Array(miniblocks);
  for (let from = 1; from < values.length; from += blockValues) {
    const count = Math.min(blockValues, values.length - from);
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < count; index += 1) {
      const delta = values[from + index]! - values[from + index - 1]!;
      deltas[index] = delta;
      if (delta < least) least = delta;
    }
    widths.fill(0);
    for (let index = 0; index < count; index += 1) {
      const value = deltas[index]! - least;
      adjusted[index] = value;
      const width = bitWidthOf(value);
      const miniblock = index >>> 5;
      if (width > widths[miniblock]!) widths[miniblock] = width;
    }
    out.zigzag(least);
    out.bytes(widths);
    for (let start = 0; start < count; start += miniblockValues) {
      const width = widths[start >>> 5]!;
      if (width > 0) pack(out, adjusted, start, count, miniblockValues, width);
    }
  }
}

/** Seldom: clocks and logs do not jump by more within a file. */
function writeFarDeltas(out: Bytes, values: Float64Array): void {
  const writer = new ByteWriter();
  deltaBinaryPack(writer, Array.from(values, BigInt), "INT64");
  const bytes = writer.getBytes();
  out.reserve(bytes.length);
  out.bytes(bytes);
}
