/** The same memory, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** For keeping: a copy if the bytes are a small part of the chunk that they came in, which would be kept with them. */
export function toKeep(bytes: Uint8Array): Buffer {
  return bytes.buffer.byteLength > 4 * bytes.byteLength + 1_024 ? Buffer.from(bytes) : asBuffer(bytes);
}
