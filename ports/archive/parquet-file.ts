/**
 * A file of readings: one row each, sorted by device, metric and time, in row groups small enough that one device's
 * readings are read without its neighbours'. Columns are only ever added; a reader takes what a file has.
 *
 * The same rows give the same bytes (with the same versions of this file, hyparquet-writer and zlib).
 */
import { constants, zstdCompressSync } from "node:zlib";
import type { SchemaElement } from "hyparquet";
import { ByteWriter, type ColumnSource, ParquetWriter } from "hyparquet-writer";
import { orderOf, type ReadingColumns, taken } from "./columns.ts";

/** Raised with each column that is added. */
export const schemaVersion = 1;

/** Rows of a group. Fewer: more of the footer and worse compression; more: more is read for one device. */
export const rowGroupRows = 10_000;

type Column = {
  readonly name: string;
  /** For people and the manifest. */
  readonly type: string;
  readonly schema: readonly SchemaElement[];
  readonly from: (group: ReadingColumns) => ColumnSource["data"];
  readonly encoding?: "DELTA_BINARY_PACKED";
  /** Without bounds: they would be long, or of no use in files that are sorted otherwise. */
  readonly statistics?: false;
};

const required = { repetition_type: "REQUIRED" } as const;
const optional = { repetition_type: "OPTIONAL" } as const;
const utf8 = { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } } as const;
const time = {
  type: "INT64",
  converted_type: "TIMESTAMP_MILLIS",
  logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MILLIS" },
} as const;

/** What a query reads comes first, so that it lies together. */
export const fileColumns: readonly Column[] = [
  plain("device_id", "string", { ...utf8, ...required }, ({ device }) => device),
  plain("metric", "string", { ...utf8, ...required }, ({ metric }) => metric),
  delta("ts", "timestamp (ms, UTC)", { ...time, ...required }, ({ tsMs }) => tsMs),
  plain("value", "double or null", { type: "DOUBLE", ...optional }, ({ value }) => only("number", value)),
  plain("value_bool", "boolean or null", { type: "BOOLEAN", ...optional }, ({ value }) => only("boolean", value)),
  {
    ...plain("value_text", "string or null", { ...utf8, ...optional }, ({ value }) => only("string", value)),
    statistics: false,
  },
  {
    ...{ name: "flags", type: "list of strings, or null", statistics: false },
    schema: [
      { name: "flags", ...optional, num_children: 1, converted_type: "LIST", logical_type: { type: "LIST" } },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", ...utf8, ...required },
    ],
    from: ({ flags }) => flags as ColumnSource["data"],
  },
  {
    ...delta("log_offset", "int64", { type: "INT64", ...required }, ({ offset }) => offset.map(BigInt)),
    statistics: false,
  },
  {
    ...delta("received_at", "timestamp (ms, UTC)", { ...time, ...required }, ({ receivedAtMs }) => receivedAtMs),
    statistics: false,
  },
  plain("type", "string", { ...utf8, ...required }, ({ type }) => type),
  plain("region", "string", { ...utf8, ...required }, ({ region }) => region),
  {
    ...plain("tags", "string (JSON object) or null", { ...utf8, ...optional }, ({ tags }) => tags),
    statistics: false,
  },
];

export type EncodedFile = {
  readonly bytes: Uint8Array;
  /** Of its end: metadata, its length, magic. */
  readonly footerBytes: number;
  readonly rows: number;
  readonly firstDevice: string;
  readonly lastDevice: string;
  readonly firstTsMs: number;
  readonly lastTsMs: number;
  readonly schemaVersion: number;
};

export type EncodeOptions = {
  /** Others than those of this version: for tests of what older and newer ones write. */
  readonly columns?: readonly Column[];
  readonly version?: number;
  readonly groupRows?: number;
};

/** @param readings at least one; of one day */
export function encodeFile(readings: ReadingColumns, options: EncodeOptions = {}): EncodedFile {
  const steps = encoding(readings, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same with a pause after each row group, so that whatever else the thread has to do waits for one of them, not for all. */
export async function encodeFileInSteps(readings: ReadingColumns): Promise<EncodedFile> {
  const steps = encoding(readings);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function* encoding(readings: ReadingColumns, options: EncodeOptions = {}): Generator<undefined, EncodedFile> {
  const { columns = fileColumns, version = schemaVersion, groupRows = rowGroupRows } = options;
  const order = orderOf(readings);
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: [{ name: "reading", num_children: columns.length }, ...columns.flatMap(({ schema }) => schema)],
    codec: "ZSTD",
    compressors: { ZSTD: compress },
    statisticsTruncateLength: Number.POSITIVE_INFINITY, // names are compared whole
    kvMetadata: [{ key: "doppel.schema", value: String(version) }],
    createdBy: "doppel",
  });
  // A group at a time: the arrays of a whole file cost more in garbage collection than all else.
  for (let from = 0; from < order.length; from += groupRows) {
    const group = taken(readings, order.subarray(from, from + groupRows));
    const columnData = columns.map(({ name, from: valuesOf, encoding, statistics }) => ({
      ...{ name, data: valuesOf(group) },
      ...(encoding === undefined ? {} : { encoding }),
      ...(statistics === undefined ? {} : { statistics }),
    }));
    parquet.write({ columnData, rowGroupSize: groupRows });
    yield;
  }
  parquet.finish();
  const bytes = writer.getBytes();
  const rows = order.length;
  return {
    ...{ bytes, rows, schemaVersion: version },
    footerBytes: new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8).getUint32(0, true) + 8,
    firstDevice: readings.device[order[0]!]!,
    lastDevice: readings.device[order[rows - 1]!]!,
    firstTsMs: readings.tsMs.reduce((least, ms) => Math.min(least, ms)),
    lastTsMs: readings.tsMs.reduce((most, ms) => Math.max(most, ms)),
  };
}

/** Measured on 500k readings: level 3 gives 10 % less than Snappy at its speed; level 9 saves 3 % more. */
function compress(input: Uint8Array): Uint8Array {
  return zstdCompressSync(input, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
}

function plain(name: string, type: string, element: Omit<SchemaElement, "name">, from: Column["from"]): Column {
  return { name, type, schema: [{ name, ...element }], from };
}

function delta(name: string, type: string, element: Omit<SchemaElement, "name">, from: Column["from"]): Column {
  return { ...plain(name, type, element, from), encoding: "DELTA_BINARY_PACKED" };
}

function only(type: "number" | "boolean" | "string", values: ReadingColumns["value"]): ColumnSource["data"] {
  return values.map((value) => (typeof value === type ? value : null));
}
