/** What it costs to store rows, and the rows as COPY's text: shared by the benchmarks of the time series. */
import { performance } from "node:perf_hooks";
import type pg from "pg";
import type { SeriesRow } from "../ports/time-series/port.ts";
import { familyCpuSecondsOf, parentOf } from "./processes.ts";

/** CPU is that of Node and of all processes of PostgreSQL. */
export type RowsCost = {
  readonly rowsPerCpuSecond: number;
  readonly rowsPerSecond: number;
  readonly nodeCpuSeconds: number;
  readonly postgresCpuSeconds: number;
};

/** @param rows how many `work` stores; Linux only, and a PostgreSQL of this machine */
export async function costOfRows(pool: pg.Pool, rows: number, work: () => Promise<void>): Promise<RowsCost> {
  const { rows: found } = await pool.query("select pg_backend_pid() as pid");
  const postmaster = parentOf(found[0].pid);
  const postgresBefore = familyCpuSecondsOf(postmaster);
  const nodeBefore = process.cpuUsage();
  const startedMs = performance.now();
  await work();
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(nodeBefore);
  const node = (user + system) / 1e6;
  const postgres = familyCpuSecondsOf(postmaster) - postgresBefore;
  return {
    rowsPerCpuSecond: Math.round(rows / (node + postgres)),
    rowsPerSecond: Math.round(rows / seconds),
    nodeCpuSeconds: Number(node.toFixed(2)),
    postgresCpuSeconds: Number(postgres.toFixed(2)),
  };
}

/** A line for each row, numbers and booleans alone, in the order of `copyColumns` (ports/time-series/copy-rows.ts). */
export function copyText(rows: readonly SeriesRow[]): Buffer {
  return Buffer.from(rows.map(lineOf).join(""));
}

function lineOf({ tsMs, receivedAtMs, offset, value, device, metric }: SeriesRow): string {
  const bool = typeof value === "boolean" ? (value ? "t" : "f") : "\\N";
  const times = `${new Date(tsMs).toISOString()}\t${new Date(receivedAtMs).toISOString()}`;
  return `${times}\t${offset}\t${Number(value)}\t${bool}\t${device}\t${metric}\t\\N\t\\N\t\\N\n`;
}
