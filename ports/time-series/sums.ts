/**
 * Statistics in SQL: in PostgreSQL's quick arithmetic, which refuses what is beyond a double (22003), and in one that
 * holds for every value. `value` is a reading; `count`, `avg`, … an aggregate's columns.
 */
/** SQLSTATE numeric_value_out_of_range */
export const outOfRange = "22003";

/** How a column of values is summed up. */
export type Sums = { readonly ofReadings: string; readonly ofMinutes: string | null };

export const quick: Sums = {
  ofReadings: "count(*), avg(value), min(value), max(value), stddev_pop(value), count(flags)",
  ofMinutes: `sum(count), telemetry_mean(array[count, avg * count, stddev * stddev * count]), min(min), max(max),
    telemetry_stddev(array[count, avg * count, stddev * stddev * count]), sum(flagged)`,
};

const isHuge = "abs(value) >= 1e140";
/** A power of two: divided by it, huge values keep all their digits, and their squares (avg makes them too) are doubles. */
const scale = `'${2 ** 640}'::double precision`;
const largest = `1.7976931348623157e308 / ${scale}`;
const share = (filter: string) => `(count(*) filter (where ${filter})::double precision / count(*))`;
/** What is smaller makes no difference beside a huge value, and cannot be divided. */
const counts = `not ${isHuge} and abs(value) > 1e-100`;
export const safeMean = `case when count(*) filter (where ${isHuge}) = 0 then avg(value) filter (where not ${isHuge})
  else greatest(-${largest}, least(${largest},
    coalesce(avg(value / ${scale}) filter (where ${counts}) * ${share(counts)}, 0)
    + avg(value / ${scale}) filter (where ${isHuge}) * ${share(isHuge)})) * ${scale} end`;
/** No square and no sum of a value that is not huge leaves a double; the deviation of huge ones is beyond it. */
export const safeDeviation = `case when count(*) filter (where ${isHuge}) = 0
  then stddev_pop(value) filter (where not ${isHuge})
  when min(value) = max(value) then 0 else 'infinity' end`;
export const safe: Sums = {
  ofReadings: `count(*), ${safeMean}, min(value), max(value), ${safeDeviation}, count(flags)`,
  ofMinutes: null,
};

/** Of an aggregate: it holds a huge value. */
const hasHuge = "(stddev = 'infinity' or abs(avg) >= 1e139)";
const squares = "case when stddev < 1e-150 then 0 else stddev * stddev * count end";
const parts = `array[count, avg * count, ${squares}]`;
/** Hours of minutes, with names, in arithmetic that holds for every value: a continuous aggregate cannot be tried again. */
export const safeHours = `
  sum(count)::bigint as count,
  case when count(*) filter (where ${hasHuge}) = 0 then telemetry_mean(${parts}) filter (where not ${hasHuge})
    else greatest(-${largest}, least(${largest},
      sum(avg / ${scale} * count) filter (where ${hasHuge} and abs(avg) > 1e-100) / sum(count)::double precision))
      * ${scale} end as avg,
  min(min) as min, max(max) as max,
  case when count(*) filter (where ${hasHuge}) = 0 then telemetry_stddev(${parts}) filter (where not ${hasHuge})
    when min(min) = max(max) then 0 else 'infinity' end as stddev,
  sum(flagged)::bigint as flagged`;
