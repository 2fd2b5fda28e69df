/** Parquet with ZSTD, a row group at a time. */
import { zstdCompressSync } from "node:zlib";
import { ByteWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import type { HistoryBatch } from "../query.ts";
import { type ColumnType, columnsOf, type TableKind, valuesOf } from "./table.ts";

const rowsPerGroup = 50_000;
const types = {
  text: "STRING",
  time: "TIMESTAMP",
  number: "DOUBLE",
  whole: "INT32",
  boolean: "BOOLEAN",
} as const satisfies Record<ColumnType, string>;

export async function* parquet(batches: AsyncIterable<HistoryBatch>, table: TableKind): AsyncGenerator<Uint8Array> {
  const columns = columnsOf(table).map(({ name, type, nullable }) => ({ name, type: types[type], nullable }));
  const schema = schemaFromColumnData({ columnData: columns.map((column) => ({ ...column, data: [] })) });
  const written = new WrittenBytes();
  const writer = new ParquetWriter({
    writer: written,
    schema,
    codec: "ZSTD",
    compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
  });
  let held: unknown[][] = columns.map(() => []);
  const group = () => {
    const columnData = columns.map(({ name }, place) => ({
      name,
      data: (columns[place]!.type === "TIMESTAMP"
        ? held[place]!.map((ms) => new Date(ms as number))
        : held[place]!) as never,
    }));
    writer.write({ columnData, rowGroupSize: rowsPerGroup });
    held = columns.map(() => []);
    return written.take();
  };
  for await (const batch of batches) {
    for (const [place, values] of valuesOf(batch, table).entries()) {
      for (const value of values) held[place]!.push(value);
    }
    if (held[0]!.length >= rowsPerGroup) yield group();
  }
  if (held[0]!.length > 0) yield group();
  await writer.finish();
  yield written.take();
}

/** What was written since it was last taken: `offset` counts on, which the file's footer needs. */
class WrittenBytes extends ByteWriter {
  take(): Uint8Array {
    const bytes = this.getBytes().slice();
    this.index = 0;
    return bytes;
  }
}
