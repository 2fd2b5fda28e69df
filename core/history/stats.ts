/**
 * Count, mean, spread and bounds of some readings, in a form in which parts add up to the whole: what a bucket of a chart
 * holds, whichever of raw readings, aggregates and archive it was made from.
 *
 * H1 `merged` of the statistics of two sets of readings is that of both sets together, whatever their order (up to rounding).
 */
export type SeriesStats = {
  /** Numbers, and booleans as 0 and 1. */
  readonly count: number;
  readonly mean: number;
  /** Sum of squared differences from the mean; variance (population) = m2 / count. */
  readonly m2: number;
  readonly min: number;
  readonly max: number;
  /** How many of them a quality rule has flagged. */
  readonly flagged: number;
};

/** The statistics of the readings from `tsMs` (epoch ms) on, as far as its bucket goes. */
export type StatsBucket = SeriesStats & { readonly tsMs: number };

/** Of a single reading. */
export function statsOf(value: number, flagged: boolean): SeriesStats {
  return { count: 1, mean: value, m2: 0, min: value, max: value, flagged: flagged ? 1 : 0 };
}

/** Chan, Golub and LeVeque's update: stable where sums of squares are not. */
export function merged(a: SeriesStats, b: SeriesStats): SeriesStats {
  const count = a.count + b.count;
  const difference = b.mean - a.mean;
  return {
    count,
    mean: a.mean + difference * (b.count / count),
    m2: a.m2 + b.m2 + difference * difference * ((a.count * b.count) / count),
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    flagged: a.flagged + b.flagged,
  };
}

/** Standard deviation (population). */
export function deviation({ count, m2 }: Pick<SeriesStats, "count" | "m2">): number {
  return Math.sqrt(Math.max(0, m2) / count);
}
