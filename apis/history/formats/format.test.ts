import { zstdDecompressSync } from "node:zlib";
import { tableFromIPC } from "apache-arrow";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { statsOf } from "../../../core/history/stats.ts";
import type { HistoryBatch } from "../query.ts";
import { acceptedFormat, encoded, type TableFormat } from "./format.ts";
import type { TableKind } from "./table.ts";

const atMs = Date.UTC(2026, 10, 21, 12);
const readings: HistoryBatch[] = [
  {
    ...{ device: "pump-4", metric: "a,b", kind: "raw" },
    readings: [
      { tsMs: atMs, offset: 1, value: 21.5, flags: null },
      { tsMs: atMs + 1, offset: 2, value: true, flags: ["range", "stuck"] },
    ],
  },
  { device: "pump-5", metric: "mode", kind: "raw", readings: [] },
  {
    ...{ device: "pump-5", metric: "mode", kind: "raw" },
    readings: [
      { tsMs: atMs, offset: 1, value: 'say "Grüße"\n', flags: [] },
      { tsMs: atMs, offset: 2, value: "", flags: null },
    ],
  },
];
const intervals: HistoryBatch[] = [
  { device: "pump-4", metric: "t", kind: "intervals", buckets: [{ tsMs: atMs, ...statsOf(3, true), count: 2 }] },
];
const raw = { kind: "raw" } as const;
const sums = { kind: "intervals", aggregate: "sum" } as const;

async function bytesOf(format: TableFormat, batches: readonly HistoryBatch[], table: TableKind): Promise<Buffer> {
  async function* stream() {
    yield* batches;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of encoded(format, stream(), table)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const parquetRows = async (file: Buffer) =>
  parquetReadObjects({
    file: new Uint8Array(file).buffer,
    compressors: { ZSTD: (bytes) => zstdDecompressSync(bytes) },
  });

test("NDJSON has a line for each reading", async () => {
  const lines = (await bytesOf("ndjson", readings, raw)).toString().trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { device_id: "pump-4", metric: "a,b", ts: "2026-11-21T12:00:00.000Z", value: 21.5 },
    { device_id: "pump-4", metric: "a,b", ts: "2026-11-21T12:00:00.001Z", value: true, flags: ["range", "stuck"] },
    { device_id: "pump-5", metric: "mode", ts: "2026-11-21T12:00:00.000Z", value: 'say "Grüße"\n' },
    { device_id: "pump-5", metric: "mode", ts: "2026-11-21T12:00:00.000Z", value: "" },
  ]);
});

test("CSV has a header, and quotes where it has to", async () => {
  expect((await bytesOf("csv", readings, raw)).toString()).toBe(
    [
      "device_id,metric,ts,value,flags",
      'pump-4,"a,b",2026-11-21T12:00:00.000Z,21.5,',
      'pump-4,"a,b",2026-11-21T12:00:00.001Z,true,range;stuck',
      'pump-5,mode,2026-11-21T12:00:00.000Z,"say ""Grüße""\n",',
      'pump-5,mode,2026-11-21T12:00:00.000Z,"",',
      "",
    ].join("\r\n"),
  );
  expect((await bytesOf("csv", intervals, sums)).toString()).toBe(
    "device_id,metric,ts,value,count,avg,min,max,stddev,flagged\r\npump-4,t,2026-11-21T12:00:00.000Z,6,2,3,3,3,0,1\r\n",
  );
});

const asRows = [
  { device_id: "pump-4", metric: "a,b", ts: atMs, value: 21.5, value_bool: null, value_text: null, flags: null },
  {
    device_id: "pump-4",
    metric: "a,b",
    ts: atMs + 1,
    value: null,
    value_bool: true,
    value_text: null,
    flags: "range;stuck",
  },
  {
    device_id: "pump-5",
    metric: "mode",
    ts: atMs,
    value: null,
    value_bool: null,
    value_text: 'say "Grüße"\n',
    flags: null,
  },
  { device_id: "pump-5", metric: "mode", ts: atMs, value: null, value_bool: null, value_text: "", flags: null },
];
const asSums = [
  { device_id: "pump-4", metric: "t", ts: atMs, value: 6, count: 2, avg: 3, min: 3, max: 3, stddev: 0, flagged: 1 },
];

test("Arrow has typed columns", async () => {
  const rows = (bytes: Buffer) =>
    tableFromIPC(bytes)
      .toArray()
      .map((row) => row.toJSON());
  const bytes = await bytesOf("arrow", readings, raw);
  expect(rows(bytes)).toEqual(asRows);
  expect(String(tableFromIPC(bytes).schema.fields[2]!.type)).toBe("Timestamp<MILLISECOND, UTC>");
  expect(rows(await bytesOf("arrow", intervals, sums))).toEqual(asSums);
  expect(tableFromIPC(await bytesOf("arrow", [], raw)).schema.fields).toHaveLength(7);
});

test("Parquet has typed columns", async () => {
  const plain = (rows: Record<string, unknown>[]) => rows.map((row) => ({ ...row, ts: (row.ts as Date).getTime() }));
  expect(plain(await parquetRows(await bytesOf("parquet", readings, raw)))).toEqual(asRows);
  expect(plain(await parquetRows(await bytesOf("parquet", intervals, sums)))).toEqual(asSums);
  expect(await parquetRows(await bytesOf("parquet", [], raw))).toEqual([]);
});

test("Parquet comes in row groups", async () => {
  const many = Array.from(
    { length: 30 },
    (_, part): HistoryBatch => ({
      ...{ device: "pump-4", metric: "t", kind: "raw" },
      readings: Array.from({ length: 5_000 }, (_, n) => ({ tsMs: atMs + n, offset: n, value: part, flags: null })),
    }),
  );
  const rows = await parquetRows(await bytesOf("parquet", many, raw));
  expect([rows.length, rows[149_999]!.value]).toEqual([150_000, 29]);
});

test("the format is the one that is accepted best", () => {
  expect(acceptedFormat(undefined)).toBe("json");
  expect(acceptedFormat("*/*")).toBe("json");
  expect(acceptedFormat("text/html, text/csv;q=0.5")).toBe("csv");
  expect(acceptedFormat("application/json;q=0.1, application/x-ndjson")).toBe("ndjson");
  expect(acceptedFormat("text/csv;q=0")).toBe("json");
  expect(acceptedFormat("application/vnd.apache.parquet")).toBe("parquet");
});
