import type { Progress } from "../time-series/port.ts";

/** What of a fleet is looked at together: a minute of our clock, a device type, a region. */
export type QualityKey = {
  /** Start of the minute (UTC) in which the messages reached us, epoch ms. */
  readonly minuteMs: number;
  readonly type: string;
  readonly region: string;
};

/**
 * Messages, counted. All that reached a twin are `accepted`, `quarantined`, `refused` or `duplicates`; only the first two
 * were judged by quality rules.
 */
export type QualityCounts = {
  /** Flagged ones among them. */
  readonly accepted: number;
  readonly flagged: number;
  readonly quarantined: number;
  /** Could not be read, or may not be sent: dead letters for any other reason. */
  readonly refused: number;
  readonly duplicates: number;
  /** Accepted or quarantined with a rule broken that says what has to be there. */
  readonly incomplete: number;
  /** Accepted or quarantined with a rule broken that says what values may be. */
  readonly inaccurate: number;
  /** Accepted within a minute of their own time. */
  readonly timely: number;
  /** Readings of accepted messages, and those among them that a rule has flagged. */
  readonly readings: number;
  readonly flaggedReadings: number;
  /** Of accepted messages: our time minus theirs, 0 for clocks that are ahead; ms. */
  readonly delaySumMs: number;
  readonly delayMaxMs: number;
  /** The newest reading's own time, not beyond the time it reached us; 0: none. */
  readonly newestMs: number;
};

/** What a message came to by a rule; the rule of a refused one is the reason of its dead letter. */
export type RuleOutcome = "flagged" | "quarantined" | "refused";

/** Messages that broke a rule. A message counts once for each rule. */
export type RuleCount = { readonly rule: string; readonly outcome: RuleOutcome; readonly messages: number };

export type QualityRow = QualityKey & { readonly counts: QualityCounts; readonly rules: readonly RuleCount[] };

export type QualityFilter = {
  readonly type?: string;
  readonly region?: string;
  /** Only messages that broke it are in `rules`; counts are of all messages. */
  readonly rule?: string;
  /** Inclusive, epoch ms. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
};

export type QualityBucket = { readonly startMs: number; readonly counts: QualityCounts };
export type QualityGroup = { readonly type: string; readonly region: string; readonly counts: QualityCounts };
export type RuleTotal = RuleCount & { readonly startMs: number; readonly type: string; readonly region: string };

/**
 * How good the data is, as time series by device type, region and rule.
 *
 * Q1 `add` commits its rows and the consumer's progress in one transaction; a `from` that is not the stored progress
 *    throws `StaleProgress` and adds nothing. Rows of one minute add up, whatever partitions they came from, and
 *    partitions wait for nothing of each other.
 * Q2 `maintain` makes few rows of many and forgets old ones; it changes no sum, and may run anywhere, any time, again.
 */
export interface QualityStats {
  /** In the log of the embedded mode: 0 at first. */
  progress(): Promise<number>;
  /** In a partition; null: it has never been there. */
  progressIn(partition: string): Promise<number | null>;
  /** Throws `RowsRefused`, and adds nothing, when a row can never be stored. */
  add(rows: readonly QualityRow[], progress: Progress): Promise<void>;
  /** From when on there are minutes; before it there are hours only. */
  minutesFrom(): Promise<number>;
  /** By buckets of `intervalMs` since the epoch, oldest first; empty ones are left out. */
  buckets(filter: QualityFilter, intervalMs: number): Promise<QualityBucket[]>;
  /** Of the whole range, by type and region, sorted. */
  groups(filter: QualityFilter): Promise<QualityGroup[]>;
  /** Broken rules in those buckets, by type and region: rules by name, oldest first. */
  rules(filter: QualityFilter, intervalMs: number): Promise<RuleTotal[]>;
  /**
   * Minutes before `mergeBeforeMs` are put together over partitions, those before `minutesBeforeMs` (a whole hour) become
   * hours, hours before `hoursBeforeMs` go.
   */
  maintain(times: {
    readonly mergeBeforeMs: number;
    readonly minutesBeforeMs: number;
    readonly hoursBeforeMs: number;
  }): Promise<void>;
}

export const noCounts: QualityCounts = {
  ...{ accepted: 0, flagged: 0, quarantined: 0, refused: 0, duplicates: 0, incomplete: 0, inaccurate: 0, timely: 0 },
  ...{ readings: 0, flaggedReadings: 0, delaySumMs: 0, delayMaxMs: 0, newestMs: 0 },
};

/** What both count together. */
export function summed(a: QualityCounts, b: QualityCounts): QualityCounts {
  return {
    accepted: a.accepted + b.accepted,
    flagged: a.flagged + b.flagged,
    quarantined: a.quarantined + b.quarantined,
    refused: a.refused + b.refused,
    duplicates: a.duplicates + b.duplicates,
    incomplete: a.incomplete + b.incomplete,
    inaccurate: a.inaccurate + b.inaccurate,
    timely: a.timely + b.timely,
    readings: a.readings + b.readings,
    flaggedReadings: a.flaggedReadings + b.flaggedReadings,
    delaySumMs: a.delaySumMs + b.delaySumMs,
    delayMaxMs: Math.max(a.delayMaxMs, b.delayMaxMs),
    newestMs: Math.max(a.newestMs, b.newestMs),
  };
}
