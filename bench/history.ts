/**
 * `npm run bench:history`: what storing telemetry costs beside COPY and INSERT, what the archive's files cost beside DuckDB
 * and pyarrow, how long questions take, and how soon a reading can be asked for. About seven minutes and 4 GB of disk.
 * `--quick` takes less of everything (two minutes), `--parts rows,parquet,queries,delay` runs some, `--json` is for programs.
 * Linux; loopback only.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type DelayReport, measureDelay } from "./history/delay.ts";
import { benchParquet, type ParquetBench } from "./history/parquet.ts";
import { benchQueries, type QueryTimes } from "./history/queries.ts";
import { measureRows, type RowsReport } from "./history/rows.ts";
import { machine, machineLine } from "./machine.ts";

const names = ["rows", "parquet", "queries", "delay"] as const;
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    parts: { type: "string", default: names.join(",") },
    json: { type: "boolean", default: false },
  },
});
const { quick } = values;
const wanted = values.parts.split(",");
const unknown = wanted.filter((part) => !names.some((name) => name === part));
if (unknown.length > 0) {
  process.stderr.write(`--parts: there is no ${unknown.join(", ")}; there are ${names.join(", ")}\n`);
  process.exit(2);
}

type Loads = { readonly before: number; readonly after: number };
const loads: Partial<Record<(typeof names)[number], Loads>> = {};

const rows = await part("rows", () => measureRows(quick ? { messages: 30_000, rounds: 1 } : {}));
const parquet = await part("parquet", () => benchParquet(quick ? { rows: 100_000, rounds: 1 } : {}));
const queries = await part("queries", () => benchQueries(quick ? { devices: 100, days: 40, questions: 20 } : {}));
const delay = await part("delay", () => measureDelay(quick ? { readings: 40 } : {}));

if (values.json) {
  process.stdout.write(`${JSON.stringify({ machine, quick, loads, rows, parquet, queries, delay }, null, 2)}\n`);
} else {
  out(`${machineLine}${quick ? "; --quick" : ""}`);
  out(
    `Load average of the last minute before and after: ${Object.entries(loads)
      .map(([name, { before, after }]) => `${name} ${before.toFixed(1)}, ${after.toFixed(1)}`)
      .join("; ")}`,
  );
  if (rows !== null) printRows(rows);
  if (parquet !== null) printParquet(parquet);
  if (queries !== null) printQueries(queries);
  if (delay !== null) printDelay(delay);
}
// What others have left open (clients, pools of DuckDB) is no reason to stay.
process.exit(0);

async function part<T>(name: (typeof names)[number], measure: () => Promise<T>): Promise<T | null> {
  if (!wanted.includes(name)) return null;
  process.stderr.write(`${name} …\n`);
  const before = loadavg()[0]!;
  const found = await measure();
  loads[name] = { before, after: loadavg()[0]! };
  return found;
}

function out(line = ""): void {
  process.stdout.write(`${line}\n`);
}

function table(head: readonly string[], lines: readonly (readonly (string | number)[])[]): void {
  out();
  for (const line of [head, head.map(() => "---"), ...lines]) out(`| ${line.join(" | ")} |`);
}

function whole(count: number): string {
  return Math.round(count).toLocaleString("en");
}

function printRows({ rows: count, sink, copy, insert, sinkToCopy, sinkToInsert }: RowsReport): void {
  table(
    [`${whole(count)} readings stored`, "rows per CPU s", "rows/s", "Node CPU s", "PostgreSQL CPU s"],
    Object.entries({ "time-series sink": sink, "bare COPY": copy, "INSERT … ON CONFLICT": insert }).map(
      ([name, { rowsPerCpuSecond, rowsPerSecond, nodeCpuSeconds, postgresCpuSeconds }]) => {
        return [name, whole(rowsPerCpuSecond), whole(rowsPerSecond), nodeCpuSeconds, postgresCpuSeconds];
      },
    ),
  );
  out();
  out(`The sink's rows per CPU second: ${sinkToCopy} × COPY's (target ≥ 0.8), ${sinkToInsert} × those of INSERT.`);
}

function printParquet({ rows: count, writers, reading }: ParquetBench): void {
  table(
    [`${whole(count)} readings of a day as Parquet`, "rows per CPU s", "bytes a reading"],
    Object.entries(writers).map(([name, { rowsPerCpuSecond, bytesPerReading }]) => {
      return [name, whole(rowsPerCpuSecond), bytesPerReading.toFixed(2)];
    }),
  );
  const { readings, requests, bytesRead, fileBytes, firstMs, p50Ms, p95Ms } = reading;
  out();
  out(
    `One metric of one device of that day, ${readings} readings: ${requests.toFixed(1)} requests, ${whole(bytesRead / 1_000)} of ` +
      `${whole(fileBytes / 1_000)} kB, p50 ${p50Ms.toFixed(1)} ms, p95 ${p95Ms.toFixed(1)} ms; the first of a file ${firstMs.toFixed(1)} ms.`,
  );
}

function printQueries(times: readonly QueryTimes[]): void {
  table(
    ["one metric of one device", "at most", "points", "cold p50 / p95 ms", "kept p50 / p95 ms"],
    times
      .filter(({ cache }) => cache === "cold")
      .map((cold) => {
        const kept = times.find(
          (other) => other.cache === "kept" && other.question === cold.question && other.atMost === cold.atMost,
        )!;
        const each = ({ p50Ms, p95Ms }: QueryTimes) => `${p50Ms} / ${p95Ms}`;
        return [cold.question, whole(cold.atMost), cold.points, each(cold), each(kept)];
      }),
  );
  const worst = (start: RegExp) =>
    Math.max(...times.filter(({ question }) => start.test(question)).map(({ p95Ms }) => p95Ms));
  out();
  out(
    `Highest p95 of a week: ${worst(/^7 days/)} ms (target ≤ 100); of all days: ${worst(/^\d\d+ days/)} ms (≤ 1,000).`,
  );
}

function printDelay({ readings, perSecond, pubackP50Ms, p50Ms, p99Ms, maxMs }: DelayReport): void {
  table(
    ["from the PUBACK to the answer of /v1/query", "p50 ms", "p99 ms", "most ms"],
    [[`${readings} readings, ${whole(perSecond)} messages/s besides`, p50Ms, p99Ms, maxMs]],
  );
  out();
  out(`The PUBACK itself came after ${pubackP50Ms} ms (p50). Target: p99 ≤ 1 s.`);
}
