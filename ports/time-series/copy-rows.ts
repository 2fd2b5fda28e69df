/**
 * Telemetry rows in PostgreSQL's binary COPY format (PostgreSQL 18, COPY, "Binary Format").
 * Binary, because text costs twice: numbers and times printed here and parsed there.
 */
import type { SeriesRow } from "./port.ts";
import { storableJson, storableText } from "./storable-text.ts";

export const copyColumns = "ts, received_at, log_offset, value, value_bool, device_id, metric, value_text, tags, flags";
const columnCount = 10;

const signature = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
/** PostgreSQL counts time from 2000-01-01, in µs. */
const postgresEpochMs = Date.UTC(2000, 0, 1);
/** Lengths, numbers and times of a row without its strings, at most. */
const fixedBytes = 2 + columnCount * 4 + 4 * 8 + 1;
const noValue = -1;

/**
 * The rows ordered by device and metric, each one's as they came: neighbours in the key land on the same pages, which
 * saves PostgreSQL a third of its work, and finds them again with fewer reads.
 */
export function clustered(rows: readonly SeriesRow[]): SeriesRow[] {
  const devices = new Map<string, Map<string, SeriesRow[]>>();
  for (const row of rows) {
    const metrics = devices.get(row.device) ?? new Map<string, SeriesRow[]>();
    if (metrics.size === 0) devices.set(row.device, metrics);
    const found = metrics.get(row.metric);
    if (found === undefined) metrics.set(row.metric, [row]);
    else found.push(row);
  }
  return byName(devices).flatMap((metrics) => byName(metrics).flat());
}

function byName<T>(named: ReadonlyMap<string, T>): T[] {
  return [...named.keys()].sort().map((name) => named.get(name)!);
}

/** The rows as one COPY stream. */
export function copyStream(rows: readonly SeriesRow[]): Buffer {
  const out = new CopyBuffer(signature.length + rows.length * 128 + 2);
  out.bytes(signature);
  let tags: SeriesRow["tags"] = null;
  let tagBytes = nothing;
  for (const row of rows) {
    if (row.tags !== tags) {
      // Readings of one message share one object.
      tags = row.tags;
      tagBytes = tags === null ? nothing : Buffer.from(storableJson(tags));
    }
    const { value } = row;
    const text = typeof value === "string" ? value : "";
    const textBytes = 3 * (row.device.length + row.metric.length + text.length);
    out.reserve(fixedBytes + textBytes + tagBytes.length + 1 + (row.flags === null ? 0 : arrayBytes(row.flags)));
    out.int16(columnCount);
    out.time(row.tsMs);
    out.time(row.receivedAtMs);
    out.bigint(row.offset);
    if (typeof value === "number") {
      out.number(value);
      out.int32(noValue);
    } else if (typeof value === "boolean") {
      out.number(value ? 1 : 0);
      out.boolean(value);
    } else {
      out.int32(noValue);
      out.int32(noValue);
    }
    out.text(row.device);
    out.text(row.metric);
    if (typeof value === "string") out.text(value);
    else out.int32(noValue);
    if (row.tags === null) out.int32(noValue);
    else out.jsonb(tagBytes);
    if (row.flags === null) out.int32(noValue);
    else out.texts(row.flags);
  }
  out.reserve(2);
  out.int16(-1);
  return out.taken();
}

const nothing = Buffer.alloc(0);
/** Of `text` in pg_type. */
const textOid = 25;

/** At most. */
function arrayBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + 4 + 3 * text.length, 20);
}

/** A growing buffer; `reserve` before writing, the writers do not check. */
class CopyBuffer {
  #buffer: Buffer;
  #view: DataView;
  #at = 0;

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  reserve(count: number): void {
    if (this.#at + count <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + count));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }

  taken(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  bytes(bytes: Buffer): void {
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  int16(value: number): void {
    this.#view.setInt16(this.#at, value);
    this.#at += 2;
  }

  int32(value: number): void {
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  bigint(value: number): void {
    this.#view.setInt32(this.#at, 8);
    this.#view.setInt32(this.#at + 4, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(this.#at + 8, value >>> 0);
    this.#at += 12;
  }

  time(epochMs: number): void {
    this.bigint((epochMs - postgresEpochMs) * 1_000);
  }

  number(value: number): void {
    this.#view.setInt32(this.#at, 8);
    this.#view.setFloat64(this.#at + 4, value);
    this.#at += 12;
  }

  boolean(value: boolean): void {
    this.#view.setInt32(this.#at, 1);
    this.#view.setUint8(this.#at + 4, value ? 1 : 0);
    this.#at += 5;
  }

  text(text: string): void {
    const start = this.#at + 4;
    let length = 0;
    for (; length < text.length; length += 1) {
      const code = text.charCodeAt(length);
      if (code === 0 || code > 0x7f) break;
      this.#buffer[start + length] = code;
    }
    if (length < text.length) length = this.#buffer.write(storableText(text), start, "utf8");
    this.int32(length);
    this.#at += length;
  }

  /** An array of one dimension without nulls (array_send in PostgreSQL's source). */
  texts(texts: readonly string[]): void {
    const start = this.#at;
    this.#at += 4;
    for (const field of [1, 0, textOid, texts.length, 1]) this.int32(field);
    for (const text of texts) this.text(text);
    this.#view.setInt32(start, this.#at - start - 4);
  }

  jsonb(json: Buffer): void {
    this.int32(json.length + 1);
    this.#view.setUint8(this.#at, 1); // version of jsonb's binary form
    this.#at += 1;
    this.bytes(json);
  }
}
