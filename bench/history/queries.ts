/**
 * How long questions to the history take: an hour, a week, 90 days (aggregates, readings, and the archive for the ragged
 * end), and an hour that only the archive has; of 1,000 devices × 90 days, each question with a new cache and again.
 *
 *   node bench/history/queries.ts [--devices 1000] [--days 90] [--questions 60] [--json]
 *
 * Readings of 20 devices come each 10 s, and questions are about them; of the others each 10 min. Readings are kept for 30
 * days. Rows are made by PostgreSQL in place, with the aggregates that a refresh would make of them. Linux or macOS.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import type pg from "pg";
import type { HistoryQuery } from "../../apis/history/query.ts";
import { openHistory } from "../../apis/history/service.ts";
import { seriesView } from "../../apis/history/view.ts";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import type { Archive } from "../../ports/archive/port.ts";
import { openFolderStore } from "../../ports/object-store/folder.ts";
import { startCluster } from "../../ports/postgres/cluster.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { openMemoryQueryCache } from "../../ports/query-cache/memory.ts";
import type { SeriesRow, TimeSeries } from "../../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";

export type QueryTimes = {
  readonly question: string;
  readonly cache: "cold" | "kept";
  readonly points: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
};

const second = 1_000;
const hour = 3_600 * second;
const day = 24 * hour;
const rawDays = 30;
const probes = 20;
const never = new AbortController().signal;

export async function benchQueries({ devices = 1_000, days = 90, questions = 60 } = {}): Promise<QueryTimes[]> {
  const folder = await mkdtemp(join(tmpdir(), "doppel-bench-"));
  // Started by root, PostgreSQL runs as another user, who has to reach its folder.
  await chmod(folder, 0o711);
  const cluster = await startCluster(join(folder, "postgres"), { say: () => {} });
  const pool = openPool(cluster.url, { max: 8 });
  try {
    const series = await openPostgresTimeSeries(pool);
    const archive = await openParquetArchive(pool, await openFolderStore(join(folder, "archive")));
    const nowMs = Math.floor(Date.now() / hour) * hour + 20 * 60 * second;
    await makeRows(pool, series, { nowMs, devices, days });
    await makeArchive(archive, { nowMs, devices, days });
    return await measured({ series, archive }, { nowMs, days, questions });
  } finally {
    await pool.end();
    await cluster.stop();
    await rm(folder, { recursive: true });
  }
}

type Size = { readonly nowMs: number; readonly devices: number; readonly days: number };

const nameOf = (number: number) => `device-${number}`;
/** In SQL and here, so that both sources have the same readings. */
const valueSql = "20 + 5 * sin(extract(epoch from ts) / 3600)";
const valueAt = (tsMs: number) => 20 + 5 * Math.sin(tsMs / hour);

async function makeRows(pool: pg.Pool, series: TimeSeries, { nowMs, devices, days }: Size): Promise<void> {
  const retention = {
    ...{ keepMs: rawDays * day, keepMsOf: new Map<string, number>() },
    keepAggregatesMs: { minute: 400 * day, hour: 3_650 * day },
  };
  // Partitions are made around the time of the call.
  for (let ago = days; ago >= 0; ago -= 1)
    await series.maintain(nowMs - ago * day, { ...retention, keepMs: 400 * day });
  const rawFromMs = Math.floor((nowMs - rawDays * day) / day) * day;
  const at = (ms: number) => `to_timestamp(${ms / 1_000})`;
  const kinds = [
    { from: 0, to: probes, everySeconds: 10 },
    { from: probes, to: devices, everySeconds: 600 },
  ];
  for (const { from, to, everySeconds } of kinds) {
    const names = `generate_series(${from}, ${to - 1}) as d`;
    await pool.query(
      `insert into telemetry (device_id, metric, ts, received_at, log_offset, value)
       select 'device-' || d, 'temperature', ts, ts, extract(epoch from ts)::bigint, ${valueSql}
       from ${names}, generate_series(${at(rawFromMs)}, ${at(nowMs)}, interval '${everySeconds} seconds') as ts`,
    );
    for (const [table, width] of [
      ["telemetry_minutes", 60],
      ["telemetry_hours", 3_600],
    ] as const) {
      const step = Math.max(width, everySeconds);
      await pool.query(
        `insert into ${table} (device_id, metric, window_start, count, avg, min, max, stddev, flagged)
         select 'device-' || d, 'temperature', ts, ${Math.max(1, width / everySeconds)}, ${valueSql}, ${valueSql} - 0.1, ${valueSql} + 0.1, 0.05, 0
         from ${names}, generate_series(${at(Math.floor((nowMs - days * day) / hour) * hour)}, ${at(Math.floor(nowMs / hour) * hour - 1_000)},
           interval '${step} seconds') as ts`,
      );
    }
  }
  const aggregatedTo = at(Math.floor(nowMs / hour) * hour);
  await pool.query(
    `update telemetry_state set threshold = ${aggregatedTo}, minutes_to = ${aggregatedTo}, aggregated_to = ${aggregatedTo},
       merge_before = ${at(rawFromMs)}, raw_from = ${at(rawFromMs)}`,
  );
  await pool.query("vacuum analyze telemetry");
  await pool.query("vacuum analyze telemetry_minutes");
  await pool.query("vacuum analyze telemetry_hours");
  await pool.query("checkpoint");
}

/** What the time series no longer has, a file a day. */
async function makeArchive(archive: Archive, { nowMs, devices, days }: Size): Promise<void> {
  const fromMs = Math.floor((nowMs - days * day) / day) * day;
  const toMs = Math.floor((nowMs - rawDays * day) / day) * day + day;
  let offset = 0;
  for (let dayMs = fromMs; dayMs < toMs; dayMs += day) {
    const rows: SeriesRow[] = [];
    for (let device = 0; device < devices; device += 1) {
      const everyMs = (device < probes ? 10 : 600) * second;
      for (let tsMs = dayMs; tsMs < dayMs + day; tsMs += everyMs) {
        rows.push({
          ...{
            device: nameOf(device),
            metric: "temperature",
            tsMs,
            value: valueAt(tsMs),
            tags: null,
            receivedAtMs: tsMs,
          },
          ...{ offset: tsMs / 1_000, flags: null, type: "default", region: "" },
        });
      }
    }
    await archive.write(rows, { from: offset, to: offset + rows.length });
    offset += rows.length;
  }
}

async function measured(
  sources: { series: TimeSeries; archive: Archive },
  { nowMs, days, questions }: { nowMs: number; days: number; questions: number },
): Promise<QueryTimes[]> {
  const ranges = [
    { question: "1 hour, 1,000 points", lengthMs: hour, agoMs: 0, maxPoints: 1_000 },
    { question: "7 days, 1,000 points", lengthMs: 7 * day, agoMs: 0, maxPoints: 1_000 },
    { question: "7 days, 10,000 points", lengthMs: 7 * day, agoMs: 0, maxPoints: 10_000 },
    { question: `${days} days, 1,000 points`, lengthMs: days * day - hour, agoMs: 0, maxPoints: 1_000 },
    { question: `${days} days, 10,000 points`, lengthMs: days * day - hour, agoMs: 0, maxPoints: 10_000 },
    { question: "1 hour of the archive", lengthMs: hour, agoMs: (rawDays + 5) * day, maxPoints: 1_000 },
  ].filter(({ agoMs, lengthMs }) => agoMs + lengthMs <= days * day);
  const results: QueryTimes[] = [];
  for (const { question, lengthMs, agoMs, maxPoints } of ranges) {
    const times = { cold: [] as number[], kept: [] as number[] };
    let points = 0;
    for (let number = 0; number < questions; number += 1) {
      const history = openHistory({ ...sources, fleet: { device: async () => null }, cache: openMemoryQueryCache() });
      // Ends anywhere within a minute, as those of people do.
      const toMs = nowMs - agoMs - ((number * 7_919) % (10 * 60 * second));
      const query: HistoryQuery = {
        ...{ devices: [nameOf(number % probes)], metrics: ["temperature"], fromMs: toMs - lengthMs, toMs, maxPoints },
        ...{ aggregate: null, interval: null, timeZone: "UTC", downsample: "auto" },
      };
      for (const cache of ["cold", "kept"] as const) {
        const startMs = performance.now();
        const [found] = await history.query(query, never);
        JSON.stringify(seriesView(found!, "avg"));
        times[cache].push(performance.now() - startMs);
        points = found!.kind === "raw" ? found!.readings.length : found!.buckets.length;
      }
    }
    for (const cache of ["cold", "kept"] as const) {
      results.push({
        question,
        cache,
        points,
        p50Ms: percentile(times[cache], 0.5),
        p95Ms: percentile(times[cache], 0.95),
      });
    }
  }
  return results;
}

function percentile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]! * 10) / 10;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      devices: { type: "string", default: "1000" },
      days: { type: "string", default: "90" },
      questions: { type: "string", default: "60" },
      json: { type: "boolean", default: false },
    },
  });
  const [devices, days, questions] = [Number(values.devices), Number(values.days), Number(values.questions)];
  const results = await benchQueries({ devices, days, questions });
  if (values.json) console.log(JSON.stringify(results));
  else {
    console.log(
      `${cpus()[0]?.model ?? "unknown"} × ${cpus().length}, Node ${process.version}; ${devices} devices × ${days} days`,
    );
    console.table(results);
  }
}
