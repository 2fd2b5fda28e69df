import fc from "fast-check";
import { expect, test } from "vitest";
import { openMemoryObjectStore } from "../object-store/memory.ts";
import type { SeriesRow } from "../time-series/port.ts";
import { orderOf, ReadingColumns } from "./columns.ts";
import { aRow, noonMs } from "./contract.ts";
import { encodeFile, fileColumns } from "./parquet-file.ts";
import { type FileReader, openFileReader, type StoredFile } from "./parquet-read.ts";

async function stored(rows: readonly SeriesRow[], options: Parameters<typeof encodeFile>[1] = {}) {
  const store = openMemoryObjectStore();
  const { bytes, footerBytes } = encodeFile(ReadingColumns.of(rows), options);
  await store.put("file", bytes);
  const file: StoredFile = { key: "file", bytes: bytes.length, footerBytes };
  return { reader: openFileReader(store), file };
}

async function allOf(reader: FileReader, file: StoredFile): Promise<SeriesRow[]> {
  const columns = new ReadingColumns();
  await reader.gather(file, columns);
  return [...columns];
}

function inOrder(rows: readonly SeriesRow[]): SeriesRow[] {
  const columns = ReadingColumns.of(rows);
  return Array.from(orderOf(columns), (at) => columns.row(at));
}

const name = fc.constantFrom(
  "pump-4",
  "pump-40",
  "ümlaut",
  "z\u{1f600}",
  "\uffee",
  "device-of-a-very-long-name-".repeat(9),
);
const anyRow: fc.Arbitrary<SeriesRow> = fc.record({
  device: name,
  metric: name,
  tsMs: fc.integer({ min: noonMs, max: noonMs + 1_000 }),
  offset: fc.nat(2 ** 40),
  value: fc.oneof(fc.double({ noNaN: true }), fc.boolean(), fc.string({ unit: "binary" })),
  tags: fc.option(fc.dictionary(fc.string(), fc.string())),
  receivedAtMs: fc.nat(2 ** 42),
  flags: fc.option(fc.array(fc.constantFrom("range", "stuck", "ümlaut,comma"), { minLength: 1, maxLength: 3 })),
  type: name,
  region: fc.constantFrom("", "eu-west"),
});

test("every reading comes back from a file as it was, in the order of device, metric, time and offset", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRow, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      async (rows, groupRows) => {
        const { reader, file } = await stored(rows, { groupRows });
        expect(await allOf(reader, file)).toEqual(inOrder(rows));
        for (const { device, metric } of rows) {
          const range = { device, metric, fromMs: noonMs + 200, toMs: noonMs + 800 };
          const expected = rows
            .filter((row) => row.device === device && row.metric === metric)
            .filter(({ tsMs }) => tsMs >= range.fromMs && tsMs < range.toMs)
            .map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags }))
            .sort((a, b) => a.tsMs - b.tsMs || a.offset - b.offset);
          expect(await reader.readings(file, range)).toEqual(expected);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("the same rows give the same bytes, in whatever order they come", () => {
  const rows = Array.from({ length: 500 }, (_, index) =>
    aRow({
      device: `pump-${index % 7}`,
      tsMs: noonMs + index,
      offset: index,
      tags: index % 2 ? { b: "1", a: "2" } : null,
    }),
  );
  const again = rows.toReversed().map((row) => (row.tags === null ? row : { ...row, tags: { a: "2", b: "1" } }));
  expect(Buffer.compare(encodeFile(ReadingColumns.of(rows)).bytes, encodeFile(ReadingColumns.of(again)).bytes)).toBe(0);
});

test("a file of a version before flags and regions reads beside one of a version that has more", async () => {
  const row = aRow({ flags: ["range"], region: "eu-west" });
  const columns = fileColumns.filter(({ name }) => name !== "flags" && name !== "region");
  const older = await stored([row], { columns, version: 0 });
  const grade = { ...fileColumns[3]!, name: "grade", schema: [{ ...fileColumns[3]!.schema[0]!, name: "grade" }] };
  const newer = await stored([row], { columns: [...fileColumns, grade], version: 2 });
  const range = { device: row.device, metric: row.metric, fromMs: 0, toMs: noonMs * 2 };
  const reading = { tsMs: row.tsMs, offset: row.offset, value: row.value };
  expect(await older.reader.readings(older.file, range)).toEqual([{ ...reading, flags: null }]);
  expect(await newer.reader.readings(newer.file, range)).toEqual([{ ...reading, flags: ["range"] }]);
  expect(await allOf(older.reader, older.file)).toMatchObject([{ region: "" }]);
  expect(await allOf(newer.reader, newer.file)).toMatchObject([{ region: "eu-west" }]);
});

test("of one device only its row groups are read", async () => {
  const rows = Array.from({ length: 40_000 }, (_, index) =>
    aRow({
      device: `pump-${String(index % 100).padStart(3, "0")}`,
      tsMs: noonMs + index,
      offset: index,
      value: Math.sin(index),
    }),
  );
  const store = openMemoryObjectStore();
  const { bytes, footerBytes } = encodeFile(ReadingColumns.of(rows), { groupRows: 1_000 });
  await store.put("file", bytes);
  let read = 0;
  let requests = 0;
  const counting = {
    ...store,
    getRange: async (key: string, start: number, end: number) => {
      requests += 1;
      read += end - start;
      return await store.getRange(key, start, end);
    },
  };
  const reader = openFileReader(counting);
  const range = { device: "pump-050", metric: "temperature", fromMs: noonMs, toMs: noonMs + 40_000 };
  const file = { key: "file", bytes: bytes.length, footerBytes };
  expect(await reader.readings(file, range)).toHaveLength(400);
  expect(requests).toBeLessThanOrEqual(3);
  expect(read - footerBytes).toBeLessThan(bytes.length / 15);
  requests = 0;
  await reader.readings(file, range);
  expect(requests).toBe(1); // the footer is known
});

test("texts too long for one page, and columns with nothing in them, come back", async () => {
  const long = (seed: number) => Array.from({ length: 300 }, (_, n) => String(Math.sin(seed * 300 + n))).join();
  const rows = Array.from({ length: 900 }, (_, offset) =>
    aRow({ offset, tsMs: noonMs + offset, value: offset % 3 === 0 ? long(offset) : offset % 3 === 1 ? true : "eco" }),
  );
  const { reader, file } = await stored(rows);
  expect(file.bytes).toBeGreaterThan(300_000);
  expect(await allOf(reader, file)).toEqual(rows);
});

test("negative zero, infinities and numbers that repeat come back as they were", async () => {
  const values = [0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.5, Number.MAX_VALUE, 5e-324];
  const rows = Array.from({ length: 400 }, (_, offset) =>
    aRow({ offset, tsMs: noonMs + offset, value: values[offset % values.length]! }),
  );
  const { reader, file } = await stored(rows);
  expect(await allOf(reader, file)).toEqual(rows);
});
