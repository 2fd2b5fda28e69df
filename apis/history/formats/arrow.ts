/** Arrow's IPC streaming format: a record batch for each batch, so that a reader can begin before the end. */
import {
  AsyncByteQueue,
  Bool,
  type Data,
  type DataType,
  Field,
  Float64,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMillisecond,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import type { HistoryBatch } from "../query.ts";
import { type ColumnType, columnsOf, type TableKind, valuesOf } from "./table.ts";

const types: Readonly<Record<ColumnType, () => DataType>> = {
  text: () => new Utf8(),
  time: () => new TimestampMillisecond("UTC"),
  number: () => new Float64(),
  whole: () => new Int32(),
  boolean: () => new Bool(),
};

export async function* arrow(batches: AsyncIterable<HistoryBatch>, table: TableKind): AsyncGenerator<Uint8Array> {
  const schema = new Schema(
    columnsOf(table).map(({ name, type, nullable }) => new Field(name, types[type](), nullable)),
  );
  const written = new WrittenBytes();
  const writer = new RecordBatchStreamWriter();
  writer.reset(written, schema);
  for await (const batch of batches) {
    const length = batch.kind === "raw" ? batch.readings.length : batch.buckets.length;
    if (length === 0) continue;
    writer.write(recordBatch(schema, valuesOf(batch, table), length));
    yield written.take();
  }
  writer.finish();
  yield written.take();
}

function recordBatch(schema: Schema, values: readonly unknown[][], length: number): RecordBatch {
  const children = schema.fields.map(
    ({ type }, place) => vectorFromArray(values[place]!, type as Utf8).data[0] as unknown as Data,
  );
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
}

/** The library's own queue hands bytes out only asynchronously, and never says that all of them have come. */
class WrittenBytes extends AsyncByteQueue {
  readonly #held: Uint8Array[] = [];

  override write(bytes: unknown): void {
    if (ArrayBuffer.isView(bytes)) this.#held.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    else this.#held.push(new Uint8Array(bytes as ArrayBuffer));
  }

  take(): Uint8Array {
    const all = Buffer.concat(this.#held);
    this.#held.length = 0;
    return all;
  }
}
