/**
 * Tables of the analytics in ClickHouse.
 *
 * The tables are sets that only grow, so nothing needs a transaction: `readings` is named by (device, metric, time,
 * offset), and of the aggregates of a bucket the one that counts most readings holds. A materialised view that adds up
 * what is inserted would count a batch twice that comes twice.
 *
 * Everything is parted by the week of arrival, which is near to now whatever the devices' clocks say: a batch is in
 * few parts, and copies of a row are always in the same one. An aggregate is of the readings of one bucket that arrived in
 * one week: a late one makes a part of its own, and no older reading has to be there still. Who reads adds the parts up.
 */
import type { Resolution } from "../../core/history/coverage.ts";
import type { AnalyticsRetention } from "./port.ts";

export const aggregateTable: Readonly<Record<Resolution, string>> = {
  minute: "readings_minute",
  hour: "readings_hour",
};

/** Each is one statement; running all of them again changes nothing. */
export const clickHouseTables: readonly string[] = [
  readings(),
  aggregates(aggregateTable.minute),
  aggregates(aggregateTable.hour),
  progress(),
];

/** What has to be altered, by what is said of each table's engine now (system.tables), so that it keeps so long. */
export function retentionChanges(
  { keepMs, keepAggregatesMs }: AnalyticsRetention,
  engines: ReadonlyMap<string, string>,
): string[] {
  return [
    ...retain("readings", "received_at", keepMs, engines),
    ...retain(aggregateTable.minute, "received_week", keepAggregatesMs.minute, engines),
    ...retain(aggregateTable.hour, "received_week", keepAggregatesMs.hour, engines),
  ];
}

/** `value` is 0 or 1 for booleans, which have `value_bool` too; strings have only `value_text`. */
function readings(): string {
  return `
  create table if not exists readings (
    device_id String,
    metric LowCardinality(String),
    ts DateTime64(3, 'UTC') codec(DoubleDelta, ZSTD),
    received_at DateTime64(3, 'UTC') codec(DoubleDelta, ZSTD),
    log_partition LowCardinality(String),
    log_offset UInt64 codec(Delta, ZSTD),
    value Nullable(Float64) codec(Gorilla, ZSTD),
    value_bool Nullable(Bool),
    value_text Nullable(String),
    flags Array(LowCardinality(String)),
    tags Map(LowCardinality(String), String),
    type LowCardinality(String),
    region LowCardinality(String),
    index by_offset log_offset type minmax granularity 1
  ) engine = ReplacingMergeTree
  partition by toMonday(received_at)
  order by (device_id, metric, ts, log_offset)
  settings ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000`;
}

function aggregates(table: string): string {
  return `
  create table if not exists ${table} (
    device_id String,
    metric LowCardinality(String),
    bucket DateTime64(3, 'UTC'),
    received_week Date,
    count UInt64,
    mean Float64,
    m2 Float64,
    min Float64,
    max Float64,
    flagged UInt64
  ) engine = ReplacingMergeTree(count)
  partition by received_week
  order by (device_id, metric, bucket, received_week)
  settings ttl_only_drop_parts = 1`;
}

/** The newest `turn` holds: offsets may go back when a log was made anew. */
function progress(): string {
  return `
  create table if not exists sink_progress (
    consumer LowCardinality(String),
    log_partition String,
    turn UInt64,
    next_offset UInt64
  ) engine = ReplacingMergeTree(turn)
  order by (consumer, log_partition)`;
}

/** Beyond it, ClickHouse's DateTime (until 2106) would overflow and everything be past: kept for good. */
const longestMs = 40 * 365 * 86_400_000;

function retain(table: string, column: string, keepMs: number | null, engines: ReadonlyMap<string, string>): string[] {
  const engine = engines.get(table) ?? "";
  if (keepMs === null || keepMs > longestMs) return / TTL /.test(engine) ? [`alter table ${table} remove ttl`] : [];
  const age = `toIntervalSecond(${Math.ceil(keepMs / 1_000)})`;
  return engine.includes(age) ? [] : [`alter table ${table} modify ttl toDateTime(${column}) + ${age}`];
}
