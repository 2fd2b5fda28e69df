/**
 * Avro's binary encoding (Apache Avro specification 1.12, "Binary encoding") into one buffer that grows and is used
 * again and again: what is appended to the log goes through here for each message.
 */
export class ByteWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(16 * 1024);
  length = 0;
  /** A text was no Unicode (lone surrogates), and U+FFFD was written in their places. Whoever minds sets it back. */
  replaced = false;

  /** Begins anew. What was written before is overwritten. */
  reset(): void {
    if (this.bytes.length > keptBytes) this.bytes = Buffer.allocUnsafeSlow(16 * 1024);
    this.length = 0;
    this.replaced = false;
  }

  /** What was written, until the next `reset`. */
  written(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for so many bytes more. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + count));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  uint32(value: number): void {
    this.reserve(4);
    this.length = this.bytes.writeUInt32BE(value, this.length);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** int or long. @throws RangeError for what is no safe integer */
  long(value: number): void {
    this.reserve(10);
    const { bytes } = this;
    let at = this.length;
    if (value >= -0x40000000 && value < 0x40000000 && Number.isInteger(value)) {
      let rest = ((value << 1) ^ (value >> 31)) >>> 0;
      while (rest > 0x7f) {
        bytes[at++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      bytes[at++] = rest;
      this.length = at;
      return;
    }
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number that a long holds exactly`);
    // Zigzag: 2n or −2n − 1. Its lowest 28 bits and the ones above are both small enough for bit operations.
    const magnitude = value < 0 ? -value - 1 : value;
    const low27 = magnitude % 0x8000000;
    let high = (magnitude - low27) / 0x8000000;
    let low = low27 * 2 + (value < 0 ? 1 : 0);
    for (let group = 0; group < 4; group += 1) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low >>>= 7;
    }
    while (high > 0x7f) {
      bytes[at++] = (high & 0x7f) | 0x80;
      high >>>= 7;
    }
    bytes[at++] = high;
    this.length = at;
  }

  /** @throws TypeError for what is no number */
  double(value: number): void {
    if (typeof value !== "number") throw new TypeError(`${typeof value} instead of a number`);
    this.reserve(8);
    float[0] = value;
    const { bytes, length } = this;
    for (let index = 0; index < 8; index += 1) bytes[length + index] = floatBytes[index]!;
    this.length = length + 8;
  }

  /** @throws TypeError for what is no string */
  string(value: string): void {
    if (typeof value !== "string") throw new TypeError(`${typeof value} instead of a string`);
    const count = value.length;
    if (count <= shortText) {
      this.reserve(count + 1);
      const { bytes } = this;
      const start = this.length + 1;
      let index = 0;
      for (; index < count; index += 1) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) break;
        bytes[start + index] = code;
      }
      if (index === count) {
        bytes[start - 1] = count * 2;
        this.length = start + count;
        return;
      }
    }
    if (!value.isWellFormed()) this.replaced = true;
    const size = Buffer.byteLength(value);
    this.long(size);
    this.reserve(size);
    this.length += this.bytes.write(value, this.length, size, "utf8");
  }
}

/** Below the length whose zigzag takes one byte; calling out of JavaScript costs more for so few. */
const shortText = 40;
/** A buffer that one huge append has made is not kept. */
const keptBytes = 8 * 1024 * 1024;

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1)
  throw new Error("Avro's doubles need a little-endian machine.");
