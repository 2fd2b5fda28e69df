/** Where the archive's objects are. */
import { createHash } from "node:crypto";

export const telemetryPrefix = "telemetry/";
export const manifestKey = "manifest.json";
/** Says whose archive the place holds. */
export const ownerKey = "archive.json";

export const dayLengthMs = 86_400_000;

/** Start of the day (UTC) of a time. */
export function dayOf(tsMs: number): number {
  return Math.floor(tsMs / dayLengthMs) * dayLengthMs;
}

/** "telemetry/year=2026/month=11/day=21/": the form that DuckDB, Spark and pyarrow call hive partitions. */
export function dayFolder(dayMs: number): string {
  const date = new Date(dayMs);
  const two = (part: number) => String(part).padStart(2, "0");
  const year = String(date.getUTCFullYear()).padStart(4, "0");
  return `${telemetryPrefix}year=${year}/month=${two(date.getUTCMonth() + 1)}/day=${two(date.getUTCDate())}/`;
}

/** The same for the same rows: of what range of which log, and a digest, so that other rows never have its name. */
export function fileKey(
  dayMs: number,
  { partition, from, to }: { readonly partition: string; readonly from: number; readonly to: number },
  bytes: Uint8Array,
): string {
  const log = partition === "" ? "log" : partition.replaceAll(/[^\w.-]/g, "-");
  return `${dayFolder(dayMs)}${log}-${padded(from)}-${padded(to)}-${digest(bytes)}.parquet`;
}

export function mergedKey(dayMs: number, bytes: Uint8Array): string {
  return `${dayFolder(dayMs)}merged-${digest(bytes)}.parquet`;
}

/** Of rows that were written outside of a log's order. */
export function againKey(dayMs: number, bytes: Uint8Array): string {
  return `${dayFolder(dayMs)}again-${digest(bytes)}.parquet`;
}

const padded = (offset: number) => String(offset).padStart(12, "0");
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
