/** What others read of an archive that we wrote: DuckDB, pyarrow with pandas, and hyparquet, with types. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { parquetReadObjects } from "hyparquet";
import { asyncBufferFromFile } from "hyparquet/src/node.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testPython } from "../../deploy/native/pyarrow.ts";
import { openFolderStore } from "../object-store/folder.ts";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import type { SeriesRow } from "../time-series/port.ts";
import { ReadingColumns } from "./columns.ts";
import { aRow, noonMs } from "./contract.ts";
import { dayOf, fileKey } from "./layout.ts";
import { openParquetArchive } from "./parquet.ts";
import { encodeFile, fileColumns } from "./parquet-file.ts";

const folder = mkdtempSync(join(tmpdir(), "doppel-readers-"));
afterAll(() => rmSync(folder, { recursive: true }));

const place = { type: "pump", region: "Île-de-France" };
const rows: SeriesRow[] = [
  aRow({ ...place, value: 21.5, tags: { room: "3", stock: "ünten" }, flags: ["range", "stuck"], tsMs: noonMs + 123 }),
  aRow({ ...place, metric: "open", value: true, offset: 1 }),
  aRow({ ...place, metric: "open", value: false, offset: 2 ** 40, tsMs: noonMs + 1 }),
  aRow({ ...place, metric: "mode", value: "eco \u{1f600} ä", offset: 3 }),
  aRow({ ...place, device: "pümp", value: -0.1, offset: 4, flags: ["clock,skew"] }),
];
/** As a version before flags and regions would have written it. */
const old = aRow({ value: 7, offset: 9, tsMs: noonMs - 86_400_000, type: "pump", region: "" });

beforeAll(async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 3 });
  const archive = await openParquetArchive(pool, await openFolderStore(folder), { now: () => noonMs });
  await archive.write(rows, { from: 0, to: 2 ** 40 + 1 });
  await archive.writeManifest();
  const columns = fileColumns.filter(({ name }) => name !== "flags" && name !== "region");
  const { bytes } = encodeFile(ReadingColumns.of([old]), { columns, version: 0 });
  const path = join(folder, fileKey(dayOf(old.tsMs), { partition: "old", from: 0, to: 1 }, bytes));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  await pool.end();
  await database.close();
});

/** What every reader has to say of the newest file's rows, in the file's order. */
const expected = [
  { device_id: "pump-4", metric: "mode", ts: noonMs, value_text: "eco \u{1f600} ä", log_offset: 3 },
  { device_id: "pump-4", metric: "open", ts: noonMs, value_bool: true, log_offset: 1 },
  { device_id: "pump-4", metric: "open", ts: noonMs + 1, value_bool: false, log_offset: 2 ** 40 },
  {
    device_id: "pump-4",
    metric: "temperature",
    ts: noonMs + 123,
    value: 21.5,
    log_offset: 0,
    flags: ["range", "stuck"],
  },
  { device_id: "pümp", metric: "temperature", ts: noonMs, value: -0.1, log_offset: 4, flags: ["clock,skew"] },
].map((row) => ({ value: null, value_bool: null, value_text: null, flags: null, region: "Île-de-France", ...row }));
const expectedOld = {
  ...{ device_id: "pump-4", metric: "temperature", ts: old.tsMs, value: 7, value_bool: null, value_text: null },
  ...{ log_offset: 9, flags: null, region: null },
};

const names = "device_id, metric, epoch_ms(ts) as ts, value, value_bool, value_text, flags, log_offset, region";

async function duckDb(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    let answer: Record<string, unknown>[] = [];
    for (const statement of sql.split(";")) {
      answer = (await connection.runAndReadAll(statement)).getRowObjectsJson() as Record<string, unknown>[];
    }
    return answer;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** DuckDB's JSON has 64-bit integers as strings. */
const numbered = (row: Record<string, unknown>) => ({ ...row, ts: Number(row.ts), log_offset: Number(row.log_offset) });

test("DuckDB reads the folders with types, days as columns, and files of two versions together", async () => {
  const source = `read_parquet('${folder}/telemetry/**/*.parquet', hive_partitioning = true, union_by_name = true)`;
  const types = await duckDb(`describe select * from ${source}`);
  expect(Object.fromEntries(types.map((row) => [row.column_name, row.column_type]))).toEqual({
    ...{ device_id: "VARCHAR", metric: "VARCHAR", ts: "TIMESTAMP WITH TIME ZONE", value: "DOUBLE" },
    ...{ value_bool: "BOOLEAN", value_text: "VARCHAR", flags: "VARCHAR[]", log_offset: "BIGINT" },
    ...{ received_at: "TIMESTAMP WITH TIME ZONE", type: "VARCHAR", region: "VARCHAR", tags: "VARCHAR" },
    ...{ year: "BIGINT", month: "BIGINT", day: "BIGINT" },
  });
  const order = "order by device_id, metric, ts";
  const answer = await duckDb(`select ${names} from ${source} where year = 2026 and day = 21 ${order}`);
  expect(answer.map(numbered)).toEqual(expected);
  const before = await duckDb(`select ${names} from ${source} where day = 20`);
  expect(before.map(numbered)).toEqual([expectedOld]);
  expect(await duckDb(`select tags->>'room' as room from ${source} where tags is not null`)).toEqual([{ room: "3" }]);
});

test("DuckDB reads exactly the files that the manifest lists", async () => {
  const answer = await duckDb(
    `set variable files = (select list('${folder}/' || file.key) from
       (select unnest(files) as file from read_json('${folder}/manifest.json')));
     select count(*)::integer as rows from read_parquet(getvariable('files'))`,
  );
  expect(answer).toEqual([{ rows: rows.length }]);
});

test("pyarrow and pandas read the same with types", { timeout: 120_000 }, async (context) => {
  const python = await testPython();
  if (python === null) return context.skip();
  const script = `
import json, sys, glob
import pyarrow as pa, pyarrow.parquet as pq, pyarrow.dataset as ds, pandas as pd
files = sorted(glob.glob(sys.argv[1] + "/telemetry/**/*.parquet", recursive=True))
schema = pa.unify_schemas([pq.read_schema(file) for file in files])
partitioning = ds.partitioning(pa.schema([("year", pa.int32()), ("month", pa.int32()), ("day", pa.int32())]), flavor="hive")
dataset = ds.dataset(sys.argv[1] + "/telemetry", schema=schema.append(pa.field("day", pa.int32())), partitioning=partitioning)
names = ["device_id", "metric", "ts", "value", "value_bool", "value_text", "flags", "log_offset", "region"]
def rows(day):
    table = dataset.to_table(filter=ds.field("day") == day)
    table = table.set_column(table.schema.get_field_index("ts"), "ts", table["ts"].cast(pa.int64()))
    return table.select(names).to_pylist()
frame = pd.read_parquet(files[-1])
print(json.dumps({
    "types": {field.name: str(field.type) for field in schema},
    "new": rows(21), "old": rows(20),
    "pandas": {name: str(dtype) for name, dtype in frame.dtypes.items() if name in ("ts", "value", "log_offset")},
    "mean": float(frame[frame.metric == "temperature"].value.mean()),
    "first": frame.ts.min().isoformat(),
}))`;
  const said = JSON.parse(await python(script, folder));
  expect(said.types).toEqual({
    ...{ device_id: "string", metric: "string", ts: "timestamp[ms, tz=UTC]", value: "double", value_bool: "bool" },
    ...{ value_text: "string", flags: "list<element: string not null>", log_offset: "int64" },
    ...{ received_at: "timestamp[ms, tz=UTC]", type: "string", region: "string", tags: "string" },
  });
  expect(said.new).toEqual(expected);
  expect(said.old).toEqual([expectedOld]);
  expect(said.pandas).toEqual({ ts: "datetime64[ms, UTC]", value: "float64", log_offset: "int64" });
  expect(said.mean).toBeCloseTo((21.5 - 0.1) / 2);
  expect(said.first).toBe("2026-11-21T12:00:00+00:00");
});

test("hyparquet reads them with types", async () => {
  const { files } = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  const found = await parquetReadObjects({
    file: await asyncBufferFromFile(join(folder, files[0].key)),
    compressors: { ZSTD: (input) => zstdDecompressSync(input) },
  });
  expect(found).toMatchObject(
    expected.map((row) => ({
      ...{ ...row, ts: new Date(row.ts), log_offset: BigInt(row.log_offset) },
      flags: row.flags ?? undefined, // its word for a list that is null
    })),
  );
});

/** Several row groups with everything that a column can be: compressed or not, with a dictionary or none, mostly null. */
const many: SeriesRow[] = Array.from({ length: 9_000 }, (_, offset) => {
  const value = [Math.sin(offset), offset % 10, offset % 4 === 0, `text ${offset % 3 === 0 ? offset : "ö"}`][
    offset % 5
  ];
  return aRow({
    ...{ device: `pump-${offset % 90}`, metric: `m${offset % 5}`, value: value ?? -0.5, offset: offset * 3 },
    ...{ tsMs: noonMs - offset * 7, receivedAtMs: offset % 1_000 === 0 ? 0 : noonMs + (offset % 50) },
    flags: offset % 40 === 0 ? ["range", `rule-${offset % 3}`] : null,
    tags: offset % 6 === 0 ? { room: String(offset % 11) } : null,
    region: offset % 2 === 0 ? "" : "eu-west",
  });
});
const largeFile = join(folder, "large.parquet");
/** Cells as all of them can say them. */
const cells = many.map(({ device, metric, tsMs, receivedAtMs, value, offset, flags, tags, region }) => [
  ...[offset, device, metric, tsMs, receivedAtMs, region, flags?.join("+") ?? null],
  ...[tags === null ? null : JSON.stringify(tags), typeof value === "number" ? value : null],
  ...[typeof value === "boolean" ? value : null, typeof value === "string" ? value : null],
]);

test("DuckDB reads each cell of a file of many groups", { timeout: 120_000 }, async () => {
  writeFileSync(largeFile, encodeFile(ReadingColumns.of(many), { groupRows: 4_000 }).bytes);
  const answer = await duckDb(
    `select log_offset::integer, device_id, metric, epoch_ms(ts)::double, epoch_ms(received_at)::double, region,
       array_to_string(flags, '+'), tags, value, value_bool, value_text from '${largeFile}' order by log_offset`,
  );
  expect(answer.map((row) => Object.values(row))).toEqual(cells);
  const of = await duckDb(`select count(*)::integer as n from '${largeFile}' where device_id = 'pump-7' and value > 0`);
  const expectedCount = many.filter(
    ({ device, value }) => device === "pump-7" && typeof value === "number" && value > 0,
  );
  expect(of).toEqual([{ n: expectedCount.length }]); // by the groups' bounds
});

test("pyarrow reads each cell of a file of many groups", { timeout: 120_000 }, async (context) => {
  const python = await testPython();
  if (python === null) return context.skip();
  writeFileSync(largeFile, encodeFile(ReadingColumns.of(many), { groupRows: 4_000 }).bytes);
  const script = `
import json, sys
import pyarrow as pa, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1]).sort_by("log_offset")
for name in ("ts", "received_at"):
    table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.int64()))
names = ["log_offset", "device_id", "metric", "ts", "received_at", "region", "flags", "tags", "value", "value_bool", "value_text"]
columns = [table[name].to_pylist() for name in names]
columns[6] = [None if flags is None else "+".join(flags) for flags in columns[6]]
print(json.dumps(list(zip(*columns))))`;
  expect(JSON.parse(await python(script, largeFile))).toEqual(cells);
});
