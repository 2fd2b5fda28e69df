/** Reads Avro's binary encoding (Apache Avro specification 1.12, "Binary encoding"). Never reads past the end. */
export class ByteReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError("it ends too early");
    return this.bytes[this.at++]!;
  }

  uint32(): number {
    const at = this.take(4);
    return this.bytes.readUInt32BE(at);
  }

  boolean(): boolean {
    const value = this.byte();
    if (value > 1) throw new RangeError(`${value} instead of true or false`);
    return value === 1;
  }

  /** int or long, where it is exact in JavaScript. */
  long(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    }
    let high = 0;
    let factor = 1;
    for (let byte = 0x80; byte > 0x7f; factor *= 0x80) {
      byte = this.byte();
      high += (byte & 0x7f) * factor;
      if (factor > 0x4_0000_0000) throw new RangeError("a number is longer than 64 bits");
    }
    const magnitude = (low >>> 1) + high * 0x8000000;
    const value = low & 1 ? -magnitude - 1 : magnitude;
    if (!Number.isSafeInteger(value)) throw new RangeError("a whole number is beyond 53 bits");
    return value;
  }

  double(): number {
    const at = this.take(8);
    const { bytes } = this;
    for (let index = 0; index < 8; index += 1) floatBytes[index] = bytes[at + index]!;
    return float[0]!;
  }

  string(): string {
    const size = this.size();
    const at = this.take(size);
    const { bytes } = this;
    if (size <= shortText) {
      let text = "";
      let index = at;
      for (const end = at + size; index < end; index += 1) {
        const code = bytes[index]!;
        if (code > 0x7f) break;
        text += asciiText[code];
      }
      if (index === at + size) return text;
    }
    return bytes.toString("utf8", at, at + size);
  }

  /** A text that comes again and again, such as a metric's name: one string for all of them. */
  name(): string {
    const { bytes, at } = this;
    const size = this.size();
    const start = this.take(size);
    if (size === 0) return "";
    const slot =
      (size * 31 + bytes[start]! * 7 + bytes[start + size - 1]! * 13 + bytes[start + (size >> 1)]!) % names.length;
    const known = names[slot];
    if (known !== undefined && known.length === size) {
      let index = 0;
      while (index < size && known.charCodeAt(index) === bytes[start + index]) index += 1;
      if (index === size) return known;
    }
    this.at = at;
    const text = this.string();
    if (text.length === size && size <= shortText) names[slot] = text; // ASCII alone
    return text;
  }

  /** How many entries the next block of a map or array has; 0: it has ended. Every entry is at least a byte. */
  listed(): number {
    let count = this.long();
    if (count < 0) {
      count = -count;
      this.long(); // the block's bytes, for those who skip it
    }
    if (count > this.bytes.length - this.at) throw new RangeError("a list is longer than its bytes");
    return count;
  }

  /** A length of what follows. */
  size(): number {
    const size = this.long();
    if (size < 0) throw new RangeError("a length is negative");
    return size;
  }

  /** Where the next `count` bytes begin; steps over them. */
  take(count: number): number {
    const { at } = this;
    if (count > this.bytes.length - at) throw new RangeError("it ends too early");
    this.at = at + count;
    return at;
  }
}

const shortText = 24;
const asciiText = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));
const names: (string | undefined)[] = new Array(1024).fill(undefined);

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
