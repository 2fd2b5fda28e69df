/**
 * Questions to the time series in PostgreSQL, plain or TimescaleDB: what differs is where aggregates are found.
 */
import { type BucketGrid, bucketStart } from "../../core/history/buckets.ts";
import type { Coverage, Resolution } from "../../core/history/coverage.ts";
import { merged, type StatsBucket } from "../../core/history/stats.ts";
import type { Questions } from "../postgres/cancellable.ts";
import type { SeriesRange, SeriesReading } from "./port.ts";
import { epochMs, stateColumns, stateOf, time, timestamp } from "./state.ts";
import { storableText } from "./storable-text.ts";
import { outOfRange, safeDeviation, safeMean } from "./sums.ts";

/** What stands after `from` for the aggregates of each resolution: all columns of `aggregateNames`. */
export type AggregateSources = Readonly<Record<Resolution, string>>;

const named = "device_id = $1 and metric = $2";
const within = (column: string) => `${named} and ${column} >= ${timestamp("$3")} and ${column} < ${timestamp("$4")}`;

function parametersOf({ device, metric, fromMs, toMs }: SeriesRange): unknown[] {
  return [storableText(device), storableText(metric), time(fromMs), time(toMs)];
}

/** In one statement: all of it is of one moment. */
export async function readCoverage(database: Questions, range: SeriesRange): Promise<Coverage> {
  const { rows } = await database.query(
    `select ${stateColumns},
       coalesce((select version from telemetry_versions where device_id = $1), 0)::double precision as version,
       ${epochMs("(select raw_from from telemetry_expired where device_id = $1)")} as expired,
       array(select distinct ${epochMs("hour")} from telemetry_invalidations
         where ${named} and hour > ${timestamp("$3")} - interval '1 hour' and hour < ${timestamp("$4")}) as dirty
     from telemetry_state`,
    parametersOf(range),
  );
  const [row] = rows;
  const { rawFromMs, aggregatedToMs, aggregatesFromMs } = stateOf(row);
  return {
    rawFromMs: Math.max(rawFromMs, row.expired ?? Number.NEGATIVE_INFINITY),
    aggregatedToMs,
    aggregatesFromMs,
    dirtyHours: (row.dirty as number[]).toSorted((a, b) => a - b),
    version: row.version,
  };
}

/** Ordered by the table's columns, as the key is: by those of the answer all would be sorted before the newest are known. */
const newest = "order by telemetry.ts desc, telemetry.log_offset desc limit $5";

/**
 * Numbers from the key's index alone, with the flags of the few that have some: rows of a device lie far apart, and to fetch
 * each takes ten times as long. What may be a boolean or text is read as whole rows after all.
 */
export async function readReadings(database: Questions, range: SeriesRange, atMost: number): Promise<SeriesReading[]> {
  const columns = `${epochMs("ts")}, log_offset::double precision`;
  // In one statement: of one moment.
  const { rows } = await database.query({
    text: `(select ${columns}, value, null from telemetry where ${within("ts")} ${newest}) union all
      (select ${columns}, null, flags from telemetry where ${within("ts")} and flags is not null ${newest})`,
    values: [...parametersOf(range), atMost],
    rowMode: "array",
  });
  const readings: SeriesReading[] = [];
  const flagsOf = new Map<string, string[]>();
  for (const [tsMs, offset, value, flags] of rows) {
    if (flags !== null) flagsOf.set(`${tsMs} ${offset}`, flags);
    else if (value === null || value === 0 || value === 1) return readWholeRows(database, range, atMost);
    else readings.push({ tsMs, offset, value, flags: null });
  }
  if (flagsOf.size === 0) return readings.reverse();
  return readings
    .reverse()
    .map((reading) => ({ ...reading, flags: flagsOf.get(`${reading.tsMs} ${reading.offset}`) ?? null }));
}

async function readWholeRows(database: Questions, range: SeriesRange, atMost: number): Promise<SeriesReading[]> {
  const { rows } = await database.query({
    text: `select ${epochMs("ts")}, log_offset::double precision, value_bool, value_text, value, flags from telemetry
      where ${within("ts")} ${newest}`,
    values: [...parametersOf(range), atMost],
    rowMode: "array",
  });
  const readings = rows.map(([tsMs, offset, bool, text, number, flags]) => ({
    ...{ tsMs, offset, flags },
    value: bool ?? text ?? number,
  }));
  return readings.reverse();
}

export async function countReadings(database: Questions, range: SeriesRange, atMost: number): Promise<number> {
  const { rows } = await database.query(
    `select count(*)::integer as count from (select from telemetry where ${within("ts")} limit $5) as upto`,
    [...parametersOf(range), atMost],
  );
  return rows[0].count;
}

const binned = (column: string) => `date_bin($5 * interval '1 millisecond', ${column}, ${timestamp("$6")}) as bucket`;

/**
 * Values come from the key's index alone, flags from the index of the flagged ones.
 * `offset 0` keeps PostgreSQL from guessing that nearly every reading has a bucket of its own: it would sort them all
 * on disk instead of counting into a small hash table.
 */
export async function readBuckets(database: Questions, range: SeriesRange, grid: BucketGrid): Promise<StatsBucket[]> {
  const select = (mean: string, deviation: string) => ({
    text: `with counted as (
        select bucket, count(*)::integer as count, ${mean} as mean, ${deviation} as stddev, min(value), max(value) from (
          select ${binned("ts")}, value from telemetry where ${within("ts")} and value is not null offset 0) as readings
        group by bucket),
      flagged as (
        select ${binned("ts")}, count(*)::integer as count from telemetry
        where ${within("ts")} and flags is not null and value_text is null group by bucket)
      select ${epochMs("bucket")}, counted.count, mean, stddev, min, max, coalesce(flagged.count, 0)
      from counted left join flagged using (bucket) order by bucket`,
    values: [...parametersOf(range), grid.widthMs, time(grid.originMs)],
    rowMode: "array" as const,
  });
  try {
    return bucketsOf((await database.query(select("avg(value)", "stddev_pop(value)"))).rows);
  } catch (error) {
    if ((error as { code?: string }).code !== outOfRange) throw error;
    return bucketsOf((await database.query(select(safeMean, safeDeviation))).rows);
  }
}

export async function readAggregated(
  database: Questions,
  sources: AggregateSources,
  range: SeriesRange,
  resolution: Resolution,
  grid: BucketGrid,
): Promise<StatsBucket[]> {
  const parts = "array[count, avg * count, stddev * stddev * count]";
  try {
    const { rows } = await database.query({
      text: `select ${epochMs("bucket")}, sum(count)::double precision, telemetry_mean(${parts}),
          telemetry_stddev(${parts}), min(min), max(max), sum(flagged)::double precision
        from (select ${binned("window_start")}, count, avg, min, max, stddev, flagged
          from ${sources[resolution]} where ${within("window_start")} offset 0) as windows
        group by bucket order by bucket`,
      values: [...parametersOf(range), grid.widthMs, time(grid.originMs)],
      rowMode: "array",
    });
    return bucketsOf(rows);
  } catch (error) {
    if ((error as { code?: string }).code !== outOfRange) throw error;
    return addedHere(database, sources, range, resolution, grid);
  }
}

/** Where PostgreSQL's arithmetic refuses: JavaScript's goes on with infinity. */
async function addedHere(
  database: Questions,
  sources: AggregateSources,
  range: SeriesRange,
  resolution: Resolution,
  grid: BucketGrid,
): Promise<StatsBucket[]> {
  const { rows } = await database.query({
    text: `select ${epochMs("window_start")}, count::double precision, avg, stddev, min, max, flagged::double precision
      from ${sources[resolution]} where ${within("window_start")} order by window_start`,
    values: parametersOf(range),
    rowMode: "array",
  });
  const buckets = new Map<number, StatsBucket>();
  for (const window of bucketsOf(rows)) {
    const tsMs = bucketStart(window.tsMs, grid);
    const found = buckets.get(tsMs);
    buckets.set(tsMs, { ...(found === undefined ? window : merged(found, window)), tsMs });
  }
  return [...buckets.values()];
}

function bucketsOf(rows: readonly number[][]): StatsBucket[] {
  return rows.map((row) => {
    const [tsMs, count, mean, stddev, min, max, flagged] = row as [
      ...[number, number, number, number, number, number, number],
    ];
    return { tsMs, count, mean, m2: stddev * stddev * count, min, max, flagged };
  });
}

export async function readExtent(
  database: Questions,
  sources: AggregateSources,
  device: string,
  metric: string,
): Promise<{ firstMs: number; lastMs: number } | null> {
  const ends = (source: string, column: string) => [
    `(select min(${column}) from ${source} where ${named})`,
    `(select max(${column}) from ${source} where ${named})`,
  ];
  const [firsts, lasts] = [0, 1].map((end) =>
    [ends("telemetry", "ts"), ends(sources.minute, "window_start"), ends(sources.hour, "window_start")].map(
      (pair) => pair[end],
    ),
  );
  const { rows } = await database.query(
    `select ${epochMs(`least(${firsts})`)} as first, ${epochMs(`greatest(${lasts})`)} as last`,
    [storableText(device), storableText(metric)],
  );
  const [{ first, last }] = rows;
  return first === null ? null : { firstMs: first, lastMs: last };
}

/** Jumps from one metric's rows to the next one's in the key (a loose index scan), which PostgreSQL does not do itself. */
export async function readMetrics(database: Questions, sources: AggregateSources, device: string): Promise<string[]> {
  const names = (source: string) => `
    (with recursive names as (
       (select metric from ${source} where device_id = $1 order by metric limit 1)
       union all
       select (select t.metric from ${source} as t where t.device_id = $1 and t.metric > names.metric
         order by t.metric limit 1)
       from names where names.metric is not null)
     select metric from names where metric is not null)`;
  const { rows } = await database.query<{ metric: string }>(
    `select metric from (${names("telemetry")} union ${names(sources.hour)}) as names order by metric`,
    [storableText(device)],
  );
  return rows.map((row) => row.metric);
}
