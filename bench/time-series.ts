/**
 * What the time series costs: rows per CPU second (Node and PostgreSQL together) of `write`, beside bare COPY of the
 * same rows in the same batches, prepared beforehand; and how long queries take over a week of one metric.
 *
 *   node bench/time-series.ts [--rows 600000] [--rounds 3] [--json]
 *
 * Linux only: CPU times of PostgreSQL's processes come from /proc. Uses an embedded cluster in a temporary folder.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { finished } from "node:stream/promises";
import { parseArgs } from "node:util";
import { from as copyFrom } from "pg-copy-streams";
import { bucketGrid } from "../core/history/buckets.ts";
import { startCluster } from "../ports/postgres/cluster.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { copyColumns } from "../ports/time-series/copy-rows.ts";
import type { SeriesRange, SeriesRow, TimeSeries } from "../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../ports/time-series/postgres.ts";
import { copyText, costOfRows, type RowsCost } from "./rows-cost.ts";

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "600000" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
const rowCount = Number(options.rows);
const batchRows = 15_000;
const day = 24 * 3_600_000;

const folder = await mkdtemp(join(tmpdir(), "doppel-bench-"));
// Started by root, PostgreSQL runs as another user, who has to reach its folder.
await chmod(folder, 0o711);
const cluster = await startCluster(join(folder, "postgres"), { say: () => {} });
const pool = openPool(cluster.url, { max: 4 });
try {
  const series = await openPostgresTimeSeries(pool);
  await series.maintain(Date.now(), {
    ...{ keepMs: 30 * day, keepMsOf: new Map() },
    keepAggregatesMs: { minute: 90 * day, hour: 900 * day },
  });
  await pool.query("create table bare (like telemetry)");
  const ways: Record<string, (batches: SeriesRow[][]) => Promise<RowsCost>> = {
    "write()": (batches) => costOfWrite(series, batches),
    "COPY text, same table": (batches) => costOfCopy("telemetry", batches),
    "COPY text, no key, no partitions": (batches) => costOfCopy("bare", batches),
  };
  const results = new Map<string, RowsCost[]>(Object.keys(ways).map((way) => [way, []]));
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const [way, measure] of Object.entries(ways)) {
      await pool.query("truncate telemetry, bare");
      await pool.query("update sink_offsets set next_offset = 0");
      await pool.query("checkpoint");
      results.get(way)!.push(await measure(batchesOf(rowCount)));
    }
  }
  const queries = await measureQueries(series);
  const best = Object.fromEntries([...results].map(([way, costs]) => [way, bestOf(costs)]));
  const machine = `${cpus()[0]?.model ?? "unknown"} × ${cpus().length}, Node ${process.version}`;
  if (options.json) console.log(JSON.stringify({ machine, rows: rowCount, best, queries }));
  else {
    console.log(`${machine}; ${rowCount} rows in batches of ${batchRows}, best of ${options.rounds}`);
    console.table(best);
    console.log("Queries over a week of one metric, ms:");
    console.table(queries);
  }
} finally {
  await pool.end();
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Messages of 1,000 devices with three readings each, as they would come in a few minutes. */
function batchesOf(count: number): SeriesRow[][] {
  const batches: SeriesRow[][] = [];
  const startMs = Date.now() - 600_000;
  for (let offset = 0; offset < count / 3; offset += 1) {
    const device = `device-${String(offset % 1_000).padStart(4, "0")}`;
    const tsMs = startMs + Math.floor(offset / 33);
    const readings = {
      temperature: 20 + (offset % 1_000) / 37,
      humidity: 40 + (offset % 777) / 21,
      motion: offset % 5 === 0,
    };
    if (offset % (batchRows / 3) === 0) batches.push([]);
    const batch = batches.at(-1)!;
    for (const [metric, value] of Object.entries(readings))
      batch.push({
        ...{ device, tsMs, metric, value, tags: null, receivedAtMs: tsMs + 3, offset },
        ...{ flags: null, type: "default", region: "" },
      });
  }
  return batches;
}

async function costOfWrite(series: TimeSeries, batches: SeriesRow[][]): Promise<RowsCost> {
  return costOfRows(pool, rowCount, async () => {
    let from = 0;
    for (const batch of batches) {
      const to = batch.at(-1)!.offset + 1;
      await series.write(batch, { from, to });
      from = to;
    }
  });
}

async function costOfCopy(table: string, batches: SeriesRow[][]): Promise<RowsCost> {
  const texts = batches.map((batch) => copyText(batch));
  const client = await pool.connect();
  try {
    await client.query("set synchronous_commit = off");
    return await costOfRows(pool, rowCount, async () => {
      for (const text of texts) {
        const copy = client.query(copyFrom(`copy ${table} (${copyColumns}) from stdin`));
        copy.end(text);
        await finished(copy);
      }
    });
  } finally {
    await client.query("reset synchronous_commit");
    client.release();
  }
}

function bestOf(costs: readonly RowsCost[]): RowsCost {
  return costs.reduce((best, cost) => (cost.rowsPerCpuSecond > best.rowsPerCpuSecond ? cost : best));
}

/** Devices that measured each second for a week, the most that a chart asks for, and one that did each 10 s. */
async function measureQueries(series: TimeSeries): Promise<Record<string, { p50: number; p95: number }>> {
  await pool.query("truncate telemetry");
  const nowMs = Date.now();
  const fill = (everySeconds: number, devices: number, name: string) =>
    pool.query(
      `insert into telemetry (ts, received_at, log_offset, value, device_id, metric)
       select t, t, 0, random() * 30, $4 || d, 'temperature'
       from generate_series(to_timestamp($1::float8 / 1000) - interval '7 days', to_timestamp($1::float8 / 1000),
         $2::float8 * interval '1 second') t, generate_series(1, $3::integer) d`,
      [nowMs, everySeconds, devices, name],
    );
  await fill(1, 5, "busy");
  await fill(10, 50, "usual");
  await pool.query("vacuum analyze telemetry");
  const week = { device: "busy1", metric: "temperature", fromMs: nowMs - 7 * day, toMs: nowMs };
  const buckets = (range: SeriesRange, atMost: number) => () =>
    series.buckets(range, bucketGrid(range.fromMs, range.toMs - 1, atMost));
  const lately = (lengthMs: number) => ({ ...week, fromMs: nowMs - lengthMs });
  return {
    "604,800 readings in 1,000 points": await timed(buckets(week, 1_000)),
    "604,800 readings in 10,000 points": await timed(buckets(week, 10_000)),
    "60,480 readings in 1,000 points": await timed(buckets({ ...week, device: "usual1" }, 1_000)),
    "9,990 raw": await timed(() => series.readings(lately(9_990_000), 10_000)),
    "the last hour in 500 points": await timed(buckets(lately(3_600_000), 500)),
    metrics: await timed(() => series.metrics("busy1")),
  };
}

async function timed(ask: () => Promise<unknown>): Promise<{ p50: number; p95: number }> {
  const times: number[] = [];
  for (let run = 0; run < 20; run += 1) {
    const startedMs = performance.now();
    await ask();
    times.push(performance.now() - startedMs);
  }
  times.sort((a, b) => a - b);
  return { p50: Number(times[10]!.toFixed(1)), p95: Number(times[18]!.toFixed(1)) };
}
