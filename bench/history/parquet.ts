/**
 * What the archive's files cost: rows per CPU second and bytes a reading of our writer, beside DuckDB and pyarrow, which
 * sort and write the same rows with the same compression and row groups; and what reading one device of a day takes.
 *
 *   node bench/history/parquet.ts [--rows 500000] [--rounds 3] [--json]
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { DuckDBInstance } from "@duckdb/node-api";
import { PyarrowInstallFailed, pythonWithPyarrow } from "../../deploy/native/pyarrow.ts";
import { ReadingColumns } from "../../ports/archive/columns.ts";
import { encodeFile, rowGroupRows } from "../../ports/archive/parquet-file.ts";
import { openFileReader } from "../../ports/archive/parquet-read.ts";
import { openFolderStore } from "../../ports/object-store/folder.ts";
import type { SeriesRow } from "../../ports/time-series/port.ts";

export type WriterCost = { readonly rowsPerCpuSecond: number; readonly bytesPerReading: number };

export type ParquetBench = {
  readonly rows: number;
  /** Best of the rounds; pyarrow is missing where pip cannot fetch it. */
  readonly writers: Readonly<Record<string, WriterCost>>;
  /** One metric of one device, of a file with all of them. */
  readonly reading: {
    readonly readings: number;
    readonly requests: number;
    readonly bytesRead: number;
    readonly fileBytes: number;
    /** The first of a file reads its footer too. */
    readonly firstMs: number;
    readonly p50Ms: number;
    readonly p95Ms: number;
  };
};

const devices = 500;
const metrics = ["battery", "humidity", "mode", "open", "temperature"];

export async function benchParquet({ rows: count = 500_000, rounds = 3 } = {}): Promise<ParquetBench> {
  const folder = mkdtempSync(join(tmpdir(), "doppel-bench-parquet-"));
  try {
    const rows = rowsOfADay(count);
    let ours: WriterCost = { rowsPerCpuSecond: 0, bytesPerReading: 0 };
    let file = encodeFile(ReadingColumns.of(rows.slice(0, 10_000)));
    for (let round = 0; round < rounds; round += 1) {
      const before = process.cpuUsage();
      file = encodeFile(ReadingColumns.of(rows));
      const { user, system } = process.cpuUsage(before);
      ours = better(ours, {
        rowsPerCpuSecond: (count / (user + system)) * 1e6,
        bytesPerReading: file.bytes.length / count,
      });
    }
    const path = join(folder, "file.parquet");
    writeFileSync(path, file.bytes);
    const reading = await measureReading(folder, file.bytes.length, file.footerBytes);
    const writers: Record<string, WriterCost> = { doppel: ours, duckdb: await duckDb(path, folder, count, rounds) };
    const arrow = await pyarrow(path, folder, count, rounds);
    if (arrow !== null) writers.pyarrow = arrow;
    return { rows: count, writers, reading };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** In the order of their arrival: messages of all devices in turn, with five readings each. */
function rowsOfADay(count: number): SeriesRow[] {
  const startMs = Date.UTC(2026, 10, 21);
  const random = randomFrom(7);
  const messages = Math.ceil(count / metrics.length);
  const stepMs = Math.floor(86_000_000 / Math.ceil(messages / devices));
  const levels = new Float64Array(devices).fill(20);
  const rows: SeriesRow[] = [];
  for (let offset = 0; offset < messages; offset += 1) {
    const device = offset % devices;
    const tsMs = startMs + Math.floor(offset / devices) * stepMs + device + Math.floor(random() * 50);
    levels[device]! += random() - 0.5;
    const level = Math.round(levels[device]! * 100) / 100;
    const values = [100 - offset / messages, level * 2, random() < 0.9 ? "eco" : "boost", random() < 0.5, level];
    const message = {
      ...{
        device: `device-${String(device).padStart(5, "0")}`,
        tsMs,
        offset,
        receivedAtMs: tsMs + Math.floor(random() * 200),
      },
      ...{
        tags: device % 2 === 0 ? { room: String(device % 40) } : null,
        type: "sensor",
        region: `region-${device % 8}`,
      },
    };
    for (const [index, metric] of metrics.entries()) {
      const flags = random() < 0.01 ? ["range"] : null;
      if (rows.length < count) rows.push({ ...message, metric, value: values[index]!, flags });
    }
  }
  return rows;
}

async function measureReading(
  folder: string,
  fileBytes: number,
  footerBytes: number,
): Promise<ParquetBench["reading"]> {
  const store = await openFolderStore(folder);
  let requests = 0;
  let bytesRead = 0;
  const counting = {
    ...store,
    getRange: (key: string, start: number, end: number) => {
      requests += 1;
      bytesRead += end - start;
      return store.getRange(key, start, end);
    },
  };
  const reader = openFileReader(counting);
  const file = { key: "file.parquet", bytes: fileBytes, footerBytes };
  const times: number[] = [];
  let readings = 0;
  let firstMs = 0;
  for (let device = 0; device < 101; device += 1) {
    const range = {
      device: `device-${String(device * 4).padStart(5, "0")}`,
      metric: "temperature",
      fromMs: 0,
      toMs: 8e15,
    };
    const beganMs = performance.now();
    const found = await reader.readings(file, range);
    const tookMs = performance.now() - beganMs;
    if (device === 0) firstMs = tookMs;
    else times.push(tookMs);
    if (device === 0) [requests, bytesRead] = [0, 0];
    readings = found.length;
  }
  await store.close();
  times.sort((a, b) => a - b);
  return {
    ...{ readings, requests: requests / 100, bytesRead: bytesRead / 100, fileBytes, firstMs },
    ...{ p50Ms: times[50]!, p95Ms: times[95]! },
  };
}

async function duckDb(path: string, folder: string, count: number, rounds: number): Promise<WriterCost> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run(`create table readings as from read_parquet('${path}') order by log_offset, metric`);
    const target = join(folder, "duckdb.parquet");
    let best: WriterCost = { rowsPerCpuSecond: 0, bytesPerReading: 0 };
    for (let round = 0; round < rounds; round += 1) {
      const before = process.cpuUsage();
      await connection.run(
        `copy (from readings order by device_id, metric, ts, log_offset) to '${target}'
         (format parquet, compression zstd, row_group_size ${rowGroupRows})`,
      );
      const { user, system } = process.cpuUsage(before);
      const bytesPerReading = statSync(target).size / count;
      best = better(best, { rowsPerCpuSecond: (count / (user + system)) * 1e6, bytesPerReading });
    }
    return best;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function pyarrow(path: string, folder: string, count: number, rounds: number): Promise<WriterCost | null> {
  const target = join(folder, "pyarrow.parquet");
  const script = `
import sys, time, pyarrow.parquet as pq
path, target, rounds, group = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
table = pq.read_table(path).sort_by([("log_offset", "ascending"), ("metric", "ascending")])
best = None
for _ in range(rounds):
    before = time.process_time()
    ordered = table.sort_by([("device_id", "ascending"), ("metric", "ascending"), ("ts", "ascending"), ("log_offset", "ascending")])
    pq.write_table(ordered, target, compression="zstd", row_group_size=group)
    took = time.process_time() - before
    best = took if best is None else min(best, took)
print(best)`;
  try {
    const python = await pythonWithPyarrow();
    const seconds = Number(await python(script, path, target, String(rounds), String(rowGroupRows)));
    return { rowsPerCpuSecond: count / seconds, bytesPerReading: statSync(target).size / count };
  } catch (error) {
    if (!(error instanceof PyarrowInstallFailed)) throw error;
    console.warn(`Without pyarrow: ${error.message}`);
    return null;
  }
}

function better(a: WriterCost, b: WriterCost): WriterCost {
  return a.rowsPerCpuSecond >= b.rowsPerCpuSecond ? a : b;
}

/** The same numbers each time (a linear congruential generator). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rows: { type: "string", default: "500000" },
      rounds: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
    },
  });
  const result = await benchParquet({ rows: Number(values.rows), rounds: Number(values.rounds) });
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `${cpus()[0]?.model ?? "unknown"} × ${cpus().length}, Node ${process.version}; ${result.rows} readings`,
    );
    console.table(result.writers);
    console.log("Reading one metric of one device:");
    console.table(result.reading);
  }
}
