/** NDJSON and CSV (RFC 4180, with a header). */
import { iso } from "../../route.ts";
import type { HistoryBatch } from "../query.ts";
import { columnsOf, flagsText, type TableKind, valuesOf } from "./table.ts";

const text = new TextEncoder();

/** One object a line: of readings `value` as it is and `flags` where there are any; of intervals all that is known. */
export async function* ndjson(batches: AsyncIterable<HistoryBatch>, table: TableKind): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) {
    const { device: device_id, metric } = batch;
    let lines = "";
    if (batch.kind === "raw") {
      for (const { tsMs, value, flags } of batch.readings) {
        const flagged = flags !== null && flags.length > 0 && { flags };
        lines += `${JSON.stringify({ device_id, metric, ts: iso(tsMs), value, ...flagged })}\n`;
      }
    } else {
      const names = columnsOf(table).map(({ name }) => name);
      const values = valuesOf(batch, table);
      for (const row of batch.buckets.keys()) {
        const fields = names.map((name, place) => [
          name,
          name === "ts" ? iso(values[place]![row] as number) : values[place]![row],
        ]);
        lines += `${JSON.stringify(Object.fromEntries(fields))}\n`;
      }
    }
    if (lines !== "") yield text.encode(lines);
  }
}

/** Of readings device_id, metric, ts, value, flags; of intervals the same columns as in any table. */
export async function* csv(batches: AsyncIterable<HistoryBatch>, table: TableKind): AsyncGenerator<Uint8Array> {
  const names =
    table.kind === "raw" ? ["device_id", "metric", "ts", "value", "flags"] : columnsOf(table).map(({ name }) => name);
  yield text.encode(`${names.join(",")}\r\n`);
  for await (const batch of batches) {
    const start = `${cell(batch.device)},${cell(batch.metric)},`;
    let lines = "";
    if (batch.kind === "raw") {
      for (const { tsMs, value, flags } of batch.readings) {
        lines += `${start}${iso(tsMs)},${cell(value)},${cell(flagsText(flags))}\r\n`;
      }
    } else {
      const values = valuesOf(batch, table).slice(3);
      for (const [row, { tsMs }] of batch.buckets.entries()) {
        lines += `${start}${iso(tsMs)},${values.map((column) => cell(column[row])).join(",")}\r\n`;
      }
    }
    if (lines !== "") yield text.encode(lines);
  }
}

function cell(value: unknown): string {
  const plain = value === null ? "" : String(value);
  // An empty text is quoted: it is not the same as nothing.
  return /[",\r\n]/.test(plain) || value === "" ? `"${plain.replaceAll('"', '""')}"` : plain;
}
