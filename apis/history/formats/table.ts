/** Batches of the history as columns: what Arrow and Parquet hold. One table is all readings, or all intervals. */
import { deviation, type StatsBucket } from "../../../core/history/stats.ts";
import type { SeriesReading } from "../../../ports/time-series/port.ts";
import { type Aggregate, aggregateOf, type HistoryBatch } from "../query.ts";

/** `aggregate` is what the column `value` of intervals has. */
export type TableKind = { readonly kind: "raw" } | { readonly kind: "intervals"; readonly aggregate: Aggregate };

export type ColumnType = "text" | "time" | "number" | "whole" | "boolean";
export type Column = { readonly name: string; readonly type: ColumnType; readonly nullable: boolean };

const named: readonly Column[] = [
  { name: "device_id", type: "text", nullable: false },
  { name: "metric", type: "text", nullable: false },
  { name: "ts", type: "time", nullable: false },
];

const columns: Readonly<Record<TableKind["kind"], readonly Column[]>> = {
  raw: [
    ...named,
    { name: "value", type: "number", nullable: true },
    { name: "value_bool", type: "boolean", nullable: true },
    { name: "value_text", type: "text", nullable: true },
    { name: "flags", type: "text", nullable: true },
  ],
  intervals: [
    ...named,
    { name: "value", type: "number", nullable: false },
    { name: "count", type: "whole", nullable: false },
    ...["avg", "min", "max", "stddev"].map((name): Column => ({ name, type: "number", nullable: false })),
    { name: "flagged", type: "whole", nullable: false },
  ],
};

export function columnsOf({ kind }: TableKind): readonly Column[] {
  return columns[kind];
}

/** The values of each column; times are epoch ms. A batch of the other kind has no place in the table. */
export function valuesOf(batch: HistoryBatch, table: TableKind): unknown[][] {
  if (batch.kind === "raw" && table.kind === "raw") {
    const own = batch.readings.map((reading) => readingValues(reading));
    return withNames(batch, own, columns.raw.length);
  }
  if (batch.kind === "intervals" && table.kind === "intervals") {
    const own = batch.buckets.map((bucket) => intervalValues(bucket, table.aggregate));
    return withNames(batch, own, columns.intervals.length);
  }
  throw new Error(`A table of ${table.kind} got a batch of ${batch.kind}.`);
}

function withNames({ device, metric }: HistoryBatch, rows: readonly unknown[][], width: number): unknown[][] {
  return Array.from({ length: width }, (_, place) =>
    rows.map((row) => (place === 0 ? device : place === 1 ? metric : row[place - 2])),
  );
}

function readingValues({ tsMs, value, flags }: SeriesReading): unknown[] {
  return [
    tsMs,
    typeof value === "number" ? value : null,
    typeof value === "boolean" ? value : null,
    typeof value === "string" ? value : null,
    flagsText(flags),
  ];
}

function intervalValues(bucket: StatsBucket, aggregate: Aggregate): unknown[] {
  const { tsMs, count, mean, min, max, flagged } = bucket;
  return [tsMs, aggregateOf(bucket, aggregate), count, mean, min, max, deviation(bucket), flagged];
}

/** Names of rules, with semicolons between them. */
export function flagsText(flags: readonly string[] | null): string | null {
  return flags === null || flags.length === 0 ? null : flags.join(";");
}
