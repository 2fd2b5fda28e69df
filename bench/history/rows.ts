/**
 * What telemetry costs to store: rows per CPU second (Node and PostgreSQL together) of the time-series sink, from records of
 * the log to committed rows, beside the same rows by one bare COPY of a prepared file, and by `INSERT … ON CONFLICT DO
 * NOTHING` in the sink's batches: into the same table with the same key and partitions, emptied each time.
 *
 *   node bench/history/rows.ts [--messages 100000] [--rounds 3] [--json]
 *
 * Linux only: CPU times of PostgreSQL's processes come from /proc. Uses an embedded cluster in a temporary folder.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { parseArgs } from "node:util";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { startCluster } from "../../ports/postgres/cluster.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { copyColumns } from "../../ports/time-series/copy-rows.ts";
import type { SeriesRow } from "../../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import type { LogItem } from "../../sinks/consumer.ts";
import { rowsOf } from "../../sinks/timeseries/fold.ts";
import { timeSeriesTarget } from "../../sinks/timeseries/run.ts";
import { copyText, costOfRows, type RowsCost } from "../rows-cost.ts";

export type RowsReport = {
  readonly rows: number;
  /** Medians, by rows per CPU second. */
  readonly sink: RowsCost;
  readonly copy: RowsCost;
  readonly insert: RowsCost;
  /** Of the sink's rows per CPU second: the target is ≥ 0.8 of COPY's. */
  readonly sinkToCopy: number;
  readonly sinkToInsert: number;
};

/** Messages of a commit, three rows each: what comes together in the sink's 200 ms at 33,000 messages a second. */
const batchMessages = 5_000;
const day = 86_400_000;
const retention = {
  ...{ keepMs: 30 * day, keepMsOf: new Map<string, number>() },
  keepAggregatesMs: { minute: 90 * day, hour: 900 * day },
};

/** Takes about 2 s for each 100,000 messages and round. */
export async function measureRows({ messages = 100_000, rounds = 3 } = {}): Promise<RowsReport> {
  const folder = await mkdtemp(join(tmpdir(), "doppel-bench-"));
  // Started by root, PostgreSQL runs as another user, who has to reach its folder.
  await chmod(folder, 0o711);
  const cluster = await startCluster(join(folder, "postgres"), { say: () => {} });
  const pool = openPool(cluster.url, { max: 4 });
  try {
    const series = await openPostgresTimeSeries(pool);
    await series.maintain(Date.now(), retention);
    const target = timeSeriesTarget(series, { retention: async () => retention });
    const ways = {
      async sink(batches: LogItem[][]) {
        return async () => {
          for (const batch of batches)
            await target.commit(batch, { from: batch[0]!.offset, to: batch.at(-1)!.offset + 1 });
        };
      },
      async copy(batches: LogItem[][]) {
        const file = batches.map((batch) => copyText(rowsOf(batch)));
        return () => copied(pool, file);
      },
      async insert(batches: LogItem[][]) {
        return async () => {
          for (const batch of batches) await inserted(pool, rowsOf(batch));
        };
      },
    };
    const costs = { sink: [] as RowsCost[], copy: [] as RowsCost[], insert: [] as RowsCost[] };
    const rows = messages * 3;
    for (let round = 0; round < rounds; round += 1) {
      for (const way of ["sink", "copy", "insert"] as const) {
        await pool.query("truncate telemetry");
        await pool.query("update sink_offsets set next_offset = 0");
        await pool.query("checkpoint");
        costs[way].push(await costOfRows(pool, rows, await ways[way](batchesOf(messages))));
      }
    }
    const [sink, copy, insert] = [median(costs.sink), median(costs.copy), median(costs.insert)];
    const ratio = (other: RowsCost) => Number((sink.rowsPerCpuSecond / other.rowsPerCpuSecond).toFixed(2));
    return { rows, sink, copy, insert, sinkToCopy: ratio(copy), sinkToInsert: ratio(insert) };
  } finally {
    await pool.end();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of 1,000 devices, as they would come in a few seconds: all of today, or yesterday. */
function batchesOf(messages: number): LogItem[][] {
  const batches: LogItem[][] = [];
  const startMs = Date.now() - 60_000;
  for (let offset = 0; offset < messages; offset += 1) {
    const atMs = startMs + Math.floor(offset / 33);
    const readings = {
      temperature: 20 + (offset % 1_000) / 37,
      humidity: 40 + (offset % 777) / 21,
      motion: offset % 5 === 0,
    };
    const identity = { kind: "hash" as const, hash: offset };
    const record = { kind: "telemetry" as const, atMs, tsMs: atMs - 3, readings, identity };
    if (offset % batchMessages === 0) batches.push([]);
    const device = `device-${String(offset % 1_000).padStart(4, "0")}`;
    batches.at(-1)!.push({ offset, entry: { device, record } } as LogItem);
  }
  return batches;
}

async function copied(pool: pg.Pool, file: readonly Buffer[]): Promise<void> {
  const client = await pool.connect();
  try {
    const copy = client.query(copyFrom(`copy telemetry (${copyColumns}) from stdin`));
    for (const part of file) if (!copy.write(part)) await new Promise((drained) => copy.once("drain", drained));
    copy.end();
    await finished(copy);
  } finally {
    client.release();
  }
}

/** The columns as arrays, which is the quickest INSERT there is. */
async function inserted(pool: pg.Pool, rows: readonly SeriesRow[]): Promise<void> {
  await pool.query(
    `insert into telemetry (ts, received_at, log_offset, value, value_bool, device_id, metric)
     select to_timestamp(ts / 1000), to_timestamp(received / 1000), log_offset, value, bool, device, metric
     from unnest($1::double precision[], $2::double precision[], $3::bigint[], $4::double precision[], $5::boolean[],
       $6::text[], $7::text[]) as row(ts, received, log_offset, value, bool, device, metric)
     on conflict do nothing`,
    [
      rows.map(({ tsMs }) => tsMs),
      rows.map(({ receivedAtMs }) => receivedAtMs),
      rows.map(({ offset }) => offset),
      rows.map(({ value }) => Number(value)),
      rows.map(({ value }) => (typeof value === "boolean" ? value : null)),
      rows.map(({ device }) => device),
      rows.map(({ metric }) => metric),
    ],
  );
}

function median(costs: readonly RowsCost[]): RowsCost {
  const sorted = [...costs].sort((a, b) => a.rowsPerCpuSecond - b.rowsPerCpuSecond);
  return sorted[Math.floor(sorted.length / 2)]!;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      messages: { type: "string", default: "100000" },
      rounds: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
    },
  });
  const report = await measureRows({ messages: Number(values.messages), rounds: Number(values.rounds) });
  if (values.json) console.log(JSON.stringify(report));
  else {
    const { sink, copy, insert, rows, sinkToCopy, sinkToInsert } = report;
    console.log(`${rows} rows, medians of ${values.rounds} rounds`);
    console.table({ "time-series sink": sink, "bare COPY": copy, "INSERT … ON CONFLICT": insert });
    console.log(`The sink's rows per CPU second are ${sinkToCopy} × COPY's, ${sinkToInsert} × those of INSERT.`);
  }
}
