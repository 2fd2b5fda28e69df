/**
 * How long questions to the history take: an hour, a week, 90 days (aggregates, readings, and the archive for the ragged
 * end), and an hour that only the archive has; of 1,000 devices × 90 days (data.ts), each question with a new cache and
 * again. From the question to the text of the answer, in this process; HTTP itself is not in it.
 *
 *   node bench/history/queries.ts [--devices 1000] [--days 90] [--questions 60] [--json]
 *
 * Linux or macOS; needs 4 GB of disk for a while.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import type { HistoryQuery } from "../../apis/history/query.ts";
import { openHistory } from "../../apis/history/service.ts";
import { seriesView } from "../../apis/history/view.ts";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import type { Archive } from "../../ports/archive/port.ts";
import { openFolderStore } from "../../ports/object-store/folder.ts";
import { startCluster } from "../../ports/postgres/cluster.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { openMemoryQueryCache } from "../../ports/query-cache/memory.ts";
import type { TimeSeries } from "../../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { kinds, makeArchive, makeRows, nameOf, probes, rawDays } from "./data.ts";
import { percentile } from "./percentile.ts";

export type QueryTimes = {
  readonly question: string;
  readonly cache: "cold" | "kept";
  /** Most points of the answer. */
  readonly atMost: number;
  readonly points: string;
  readonly p50Ms: number;
  readonly p95Ms: number;
};

const second = 1_000;
const hour = 3_600 * second;
const day = 24 * hour;
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

export async function measured(
  sources: { series: TimeSeries; archive: Archive },
  { nowMs, days, questions }: { nowMs: number; days: number; questions: number },
): Promise<QueryTimes[]> {
  const week = 7 * day;
  const long = days * day - hour;
  const ranges = [
    { question: "1 hour, one a minute", every: "minute", lengthMs: hour, agoMs: 0, maxPoints: 1_000 },
    { question: "1 hour, one a second", every: "second", lengthMs: hour, agoMs: 0, maxPoints: 10_000 },
    { question: "7 days, one a minute", every: "minute", lengthMs: week, agoMs: 0, maxPoints: 1_000 },
    {
      question: "7 days less 2 h, one a minute",
      every: "minute",
      lengthMs: week - 2 * hour,
      agoMs: 0,
      maxPoints: 10_000,
    },
    { question: "7 days, one a minute", every: "minute", lengthMs: week, agoMs: 0, maxPoints: 10_000 },
    { question: "7 days, one a second", every: "second", lengthMs: week, agoMs: 0, maxPoints: 1_000 },
    { question: "7 days, one a second", every: "second", lengthMs: week, agoMs: 0, maxPoints: 10_000 },
    { question: `${days} days, one a minute`, every: "minute", lengthMs: long, agoMs: 0, maxPoints: 1_000 },
    { question: `${days} days, one a minute`, every: "minute", lengthMs: long, agoMs: 0, maxPoints: 10_000 },
    { question: `${days} days, one a second`, every: "second", lengthMs: long, agoMs: 0, maxPoints: 10_000 },
    {
      ...{ question: "1 hour of the archive, one a minute", every: "minute" },
      ...{ lengthMs: hour, agoMs: (rawDays + 5) * day, maxPoints: 1_000 },
    },
  ].filter(({ agoMs, lengthMs }) => agoMs + lengthMs <= days * day);
  const results: QueryTimes[] = [];
  for (const { question, every, lengthMs, agoMs, maxPoints } of ranges) {
    const times = { cold: [] as number[], kept: [] as number[] };
    let points = "";
    for (let number = 0; number < questions; number += 1) {
      const history = openHistory({ ...sources, fleet: { device: async () => null }, cache: openMemoryQueryCache() });
      // Ends anywhere within a minute, as those of people do.
      const toMs = nowMs - agoMs - ((number * 7_919) % (10 * 60 * second));
      const query: HistoryQuery = {
        ...{
          devices: [nameOf(every === "second" ? 0 : kinds.second + (number % (probes - kinds.second)))],
          metrics: ["temperature"],
          fromMs: toMs - lengthMs,
          toMs,
          maxPoints,
        },
        ...{ aggregate: null, interval: null, timeZone: "UTC", downsample: "auto" },
      };
      for (const cache of ["cold", "kept"] as const) {
        const startMs = performance.now();
        const [found] = await history.query(query, never);
        JSON.stringify(seriesView(found!, "avg"));
        times[cache].push(performance.now() - startMs);
        points = found!.kind === "raw" ? `${found!.readings.length} readings` : `${found!.buckets.length} intervals`;
      }
    }
    for (const cache of ["cold", "kept"] as const) {
      results.push({
        question,
        ...{ atMost: maxPoints, cache, points },
        p50Ms: percentile(times[cache], 0.5),
        p95Ms: percentile(times[cache], 0.95),
      });
    }
  }
  return results;
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
