import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { s3IsHere, testS3 } from "../../deploy/native/testing.ts";
import { openFolderStore } from "../object-store/folder.ts";
import { openMemoryObjectStore } from "../object-store/memory.ts";
import type { ObjectStore } from "../object-store/port.ts";
import { openS3Store } from "../object-store/s3.ts";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { aRow, archiveContract, noonMs, readingsOf } from "./contract.ts";
import { openParquetArchive, type ParquetArchiveOptions } from "./parquet.ts";
import { ArchiveTaken } from "./port.ts";

async function openOver(store: ObjectStore, options: ParquetArchiveOptions = {}) {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  const archive = await openParquetArchive(pool, store, { now: () => noonMs, ...options });
  const close = async () => {
    await archive.close();
    await store.close();
    await pool.end();
    await database.close();
  };
  return { archive, pool, close };
}

archiveContract("Parquet in a folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "doppel-archive-"));
  const { archive, close } = await openOver(await openFolderStore(folder));
  return { archive, close: () => close().finally(() => rmSync(folder, { recursive: true })) };
});

describe.skipIf(!s3IsHere)("with a server", () => {
  archiveContract("Parquet in S3", async () => {
    const { bucket, close: drop, ...options } = await testS3();
    const { archive, close } = await openOver(openS3Store(bucket, "history", options));
    return { archive, close: () => close().finally(drop) };
  });
});

async function opened(store = openMemoryObjectStore(), options: ParquetArchiveOptions = {}) {
  const whole = await openOver(store, options);
  onTestFinished(whole.close);
  return { ...whole, store };
}

const all = { fromMs: 0, toMs: noonMs * 2 };
const tomorrowMs = noonMs + 86_400_000;

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list("telemetry/")) keys.push(key);
  return keys;
}

test("small files of a day that is over become one, and readings stay the same", async () => {
  const { archive, store } = await opened();
  for (let from = 0; from < 30; from += 3) {
    const rows = [0, 1, 2].map((n) =>
      aRow({
        offset: from + n,
        tsMs: noonMs - from * 50 - n,
        value: n === 1 ? "eco" : n,
        flags: n === 2 ? ["stuck"] : null,
      }),
    );
    await archive.write(rows, { from, to: from + 3 });
  }
  const before = await readingsOf(archive);
  expect(await archive.compact(noonMs)).toEqual({ merged: 0, deleted: 0 });
  expect(await archive.compact(tomorrowMs)).toEqual({ merged: 10, deleted: 0 });
  expect(await archive.files(all)).toMatchObject([{ rows: 30 }]);
  expect(await readingsOf(archive)).toEqual(before);
  expect(await keysOf(store)).toHaveLength(11); // those who read still may
  expect(await archive.compact(tomorrowMs + 900_001)).toEqual({ merged: 0, deleted: 10 });
  expect(await keysOf(store)).toEqual((await archive.files(all)).map(({ key }) => key));
  expect(await readingsOf(archive)).toEqual(before);
});

test("a day that goes on is merged once it has many files, and large files are left alone", async () => {
  const { archive } = await opened(openMemoryObjectStore(), { compaction: { targetRows: 4, filesOfOpenDay: 3 } });
  const sizes = [3, 1, 1];
  let from = 0;
  for (const size of sizes) {
    const rows = Array.from({ length: size }, (_, n) => aRow({ offset: from + n, tsMs: noonMs + from + n }));
    await archive.write(rows, { from, to: from + size });
    from += size;
  }
  expect((await archive.compact(noonMs)).merged).toBe(0);
  await archive.write([aRow({ offset: 5, tsMs: noonMs + 5 })], { from: 5, to: 6 });
  expect((await archive.compact(noonMs)).merged).toBe(3);
  expect((await archive.files(all)).map(({ rows }) => rows).sort()).toEqual([3, 3]);
});

test("a reader whose files are merged and deleted meanwhile reads on", async () => {
  const { archive } = await opened(openMemoryObjectStore(), { compaction: { graceMs: 0 } });
  const day = (n: number) => noonMs - n * 86_400_000;
  for (let from = 0; from < 6; from += 1) {
    await archive.write([aRow({ offset: from, tsMs: day(from % 2) + from })], { from, to: from + 1 });
  }
  const reading = archive
    .readings({ device: "pump-4", metric: "temperature", fromMs: 0, toMs: noonMs * 2 })
    [Symbol.asyncIterator]();
  const first = await reading.next();
  expect((await archive.compact(tomorrowMs)).merged).toBe(6);
  expect((await archive.compact(tomorrowMs + 1)).deleted).toBe(6);
  const second = await reading.next();
  expect([...first.value, ...second.value].map(({ offset }) => offset)).toEqual([1, 3, 5, 0, 2, 4]);
});

test("a place that is another database's archive is refused with words", async () => {
  const { archive, store } = await opened();
  await archive.write([aRow()], { from: 0, to: 1 });
  const other = await opened(store);
  await expect(other.archive.write([aRow()], { from: 0, to: 1 })).rejects.toThrow(ArchiveTaken);
  await expect(other.archive.write([aRow()], { from: 0, to: 1 })).rejects.toThrow("Choose another place");
});

test("the manifest lists the files and columns, and changes with them", async () => {
  const { archive, store } = await opened();
  const manifest = async () => JSON.parse(new TextDecoder().decode(await store.get("manifest.json")));
  await archive.write([aRow()], { from: 0, to: 1 });
  await archive.writeManifest();
  expect(await manifest()).toMatchObject({
    format: "doppel-archive",
    rows: 1,
    files: [{ key: (await keysOf(store))[0], day: "2026-11-21", rows: 1, first_device: "pump-4" }],
  });
  expect((await manifest()).columns[2]).toEqual({ name: "ts", type: "timestamp (ms, UTC)" });
  await archive.write([aRow({ offset: 1 })], { from: 1, to: 2 });
  await archive.writeManifest();
  expect((await manifest()).files).toHaveLength(2);
  await archive.compact(tomorrowMs);
  await archive.writeManifest();
  expect((await manifest()).files).toMatchObject([{ rows: 2 }]);
});

test("names that PostgreSQL cannot hold are kept as readable ones, and found by either", async () => {
  const { archive } = await opened();
  await archive.write([aRow({ metric: "a\u0000b" })], { from: 0, to: 1 });
  expect(await archive.metrics("pump-4")).toEqual(["a\ufffdb"]);
  expect(await readingsOf(archive, { metric: "a\u0000b" })).toHaveLength(1);
  expect(await readingsOf(archive, { metric: "a\ufffdb" })).toHaveLength(1);
});
