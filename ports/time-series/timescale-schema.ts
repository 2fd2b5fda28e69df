/**
 * Tables of the time series in TimescaleDB (2.14 or newer; tried with 2.23): telemetry is a hypertable whose chunks are days,
 * compressed by device and metric; minutes and hours are continuous aggregates, hours made of minutes.
 */
import { aggregateColumns, aggregateNames, stateSchema, telemetryColumns } from "./schema.ts";
import { safeDeviation, safeHours, safeMean } from "./sums.ts";

/**
 * Aggregates are `materialized_only` and have no refresh policy: `refresh` drives them, as in plain PostgreSQL, since what is
 * aggregated, and what of it is dirty, has to be known to the queries. What comes for hours whose readings are not complete
 * any more has tables of its own: a refresh of those hours would forget what is gone.
 */
export function timescaleSchema(compressAfterMs: number): string {
  return `
  create table if not exists telemetry (${telemetryColumns},
    primary key (device_id, metric, ts, log_offset) include (value)
  );
  select create_hypertable('telemetry', by_range('ts', interval '1 day'), create_default_indexes => false,
    if_not_exists => true);
  create index if not exists telemetry_times on telemetry using brin (ts) with (pages_per_range = 32);
  create index if not exists telemetry_flagged on telemetry (device_id, metric, ts) where flags is not null;
  alter table telemetry set (timescaledb.compress, timescaledb.compress_segmentby = 'device_id, metric',
    timescaledb.compress_orderby = 'ts, log_offset');
  select remove_compression_policy('telemetry', if_exists => true);
  select add_compression_policy('telemetry', interval '${Math.round(compressAfterMs)} milliseconds');
  ${stateSchema}
  create materialized view if not exists telemetry_minutes
    with (timescaledb.continuous, timescaledb.materialized_only = true) as
    select device_id, metric, time_bucket('1 minute', ts) as window_start, count(*) as count, ${safeMean} as avg,
      min(value) as min, max(value) as max, ${safeDeviation} as stddev, count(flags) as flagged
    from telemetry where value is not null
    group by device_id, metric, time_bucket('1 minute', ts) with no data;
  create materialized view if not exists telemetry_hours
    with (timescaledb.continuous, timescaledb.materialized_only = true) as
    select device_id, metric, time_bucket('1 hour', window_start) as window_start, ${safeHours}
    from telemetry_minutes
    group by device_id, metric, time_bucket('1 hour', window_start) with no data;
  ${lateTable("telemetry_minutes")}
  ${lateTable("telemetry_hours")}
  `;
}

function lateTable(name: string): string {
  return `
  create table if not exists ${name}_late (${aggregateColumns});
  create or replace view ${name}_with_late as
    select ${aggregateNames} from ${name} union all select ${aggregateNames} from ${name}_late;`;
}
