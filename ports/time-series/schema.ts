/**
 * Tables of the time series in PostgreSQL, and what plain and TimescaleDB have in common of them. Times beyond any
 * border are ±infinity. Bytewise collation: the order of names means nothing here.
 */

/** `value` is 0 or 1 for booleans, which have `value_bool` too; strings have only `value_text`. */
export const telemetryColumns = `
  ts timestamptz not null,
  received_at timestamptz not null,
  log_offset bigint not null,
  value double precision,
  value_bool boolean,
  device_id text collate "C" not null,
  metric text collate "C" not null,
  value_text text,
  tags jsonb,
  flags text[]`;

/** `stddev` is the population's; with `count` and `avg` it says all that merging needs. */
export const aggregateColumns = `
  device_id text collate "C" not null,
  metric text collate "C" not null,
  window_start timestamptz not null,
  count bigint not null,
  avg double precision not null,
  min double precision not null,
  max double precision not null,
  stddev double precision not null,
  flagged bigint not null,
  primary key (device_id, metric, window_start)`;

/** In this order in every insert and select. */
export const aggregateNames = "device_id, metric, window_start, count, avg, min, max, stddev, flagged";

/**
 * The borders between what is aggregated, merged and expired (docs/decisions/0020-aggregates.md), what late readings left
 * to do, and an aggregate that adds up statistics: `float8_combine` is PostgreSQL's own, stable, made for parallel plans.
 */
export const stateSchema = `
  create table if not exists telemetry_state (
    one boolean primary key default true check (one),
    threshold timestamptz not null default '-infinity',
    minutes_to timestamptz not null default '-infinity',
    aggregated_to timestamptz not null default '-infinity',
    merge_before timestamptz not null default '-infinity',
    raw_from timestamptz not null default '-infinity',
    minutes_from timestamptz not null default '-infinity',
    hours_from timestamptz not null default '-infinity'
  );
  insert into telemetry_state default values on conflict do nothing;
  create table if not exists telemetry_invalidations (
    id bigint generated always as identity primary key,
    device_id text collate "C" not null,
    metric text collate "C" not null,
    hour timestamptz not null
  );
  create index if not exists telemetry_invalidations_of on telemetry_invalidations (device_id, metric, hour);
  create table if not exists telemetry_versions (
    device_id text collate "C" primary key,
    version bigint not null
  ) with (fillfactor = 80);
  -- Readings of devices whose type keeps them for a shorter time than others do.
  create table if not exists telemetry_expired (
    device_id text collate "C" primary key,
    raw_from timestamptz not null
  );
  create or replace aggregate telemetry_mean (double precision[]) (
    sfunc = float8_combine, stype = double precision[], initcond = '{0,0,0}',
    finalfunc = float8_avg, combinefunc = float8_combine, parallel = safe);
  create or replace aggregate telemetry_stddev (double precision[]) (
    sfunc = float8_combine, stype = double precision[], initcond = '{0,0,0}',
    finalfunc = float8_stddev_pop, combinefunc = float8_combine, parallel = safe);
`;

/**
 * The key is also the index of queries, so it holds the value. Batches come in about the order of time: BRIN finds a
 * minute's rows in its day. The flagged ones are few and have an index of their own, which also counts them.
 */
export const plainSchema = `
  create table if not exists telemetry (${telemetryColumns},
    primary key (device_id, metric, ts, log_offset) include (value)
  ) partition by range (ts);
  alter table telemetry add column if not exists flags text[];
  create table if not exists telemetry_history partition of telemetry default;
  create index if not exists telemetry_history_times on telemetry_history using brin (received_at, ts);
  create index if not exists telemetry_times on telemetry using brin (ts) with (pages_per_range = 32, autosummarize = on);
  create index if not exists telemetry_flagged on telemetry (device_id, metric, ts) where flags is not null;
  ${aggregateTable("telemetry_minutes")}
  ${aggregateTable("telemetry_hours")}
  ${stateSchema}
`;

function aggregateTable(name: string): string {
  return `
  create table if not exists ${name} (${aggregateColumns}) partition by range (window_start);
  create table if not exists ${name}_history partition of ${name} default;
  create index if not exists ${name}_windows on ${name}
    using brin (window_start) with (pages_per_range = 32, autosummarize = on);`;
}
