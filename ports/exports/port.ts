/** What of the history goes into files. */
export type ExportSpec = {
  readonly devices: readonly string[];
  readonly metrics: readonly string[];
  /** Fixed, epoch ms; or the last whole period before the time for which the run is scheduled. */
  readonly range:
    | { readonly kind: "fixed"; readonly fromMs: number; readonly toMs: number }
    | { readonly kind: "last"; readonly period: "hour" | "day" | "week" | "month" };
  /** As it is written: "5m", "1d"; null: readings. */
  readonly interval: string | null;
  readonly aggregate: "avg" | "min" | "max" | "sum" | "count" | "stddev" | null;
  /** IANA: days begin in it, and the schedule is meant in it. */
  readonly timeZone: string;
  readonly format: "ndjson" | "csv" | "arrow" | "parquet";
  /** Cron expression of five fields; null: once. */
  readonly schedule: string | null;
};

export type ExportedFile = { readonly key: string; readonly rows: number; readonly bytes: number };

/** A time that an export was made, or is being made. */
export type ExportRun = {
  /** The time for which it is meant: relative ranges count from it. */
  readonly forMs: number;
  /** 1, and one more for each try that failed or was cut off. */
  readonly attempt: number;
  readonly startedAtMs: number;
  /** Null: it is under way, or its process has died and another one takes it up. */
  readonly ended:
    | { readonly atMs: number; readonly kind: "done"; readonly files: readonly ExportedFile[] }
    | { readonly atMs: number; readonly kind: "failed"; readonly error: string }
    | null;
};

export type ExportJob = {
  readonly id: string;
  readonly spec: ExportSpec;
  readonly createdAtMs: number;
  /** When it is due next, and for which time; null: never again. A failed run is due again for the same time. */
  readonly due: { readonly atMs: number; readonly forMs: number } | null;
  /** Newest first, at most `keptRuns`. */
  readonly runs: readonly ExportRun[];
};

export const keptRuns = 30;

/** A run that this process is to do until `untilMs`. `token` is new for each claim: only its holder renews and settles. */
export type ExportClaim = { readonly job: ExportJob; readonly run: ExportRun; readonly token: string };

/**
 * Exports that were asked for, and what became of them.
 *
 * E1 Of several processes that claim, one gets a due run; another one gets it only when the first one's lease is over,
 *    with an attempt of its own. Whoever has lost a claim can no longer settle it.
 * E2 A job that was removed is claimed by nobody, and settled by nobody.
 */
export interface Exports {
  create(job: Pick<ExportJob, "id" | "spec" | "createdAtMs" | "due">): Promise<void>;
  read(id: string): Promise<ExportJob | null>;
  /** Newest first, at most `limit`, of those that were made before the one named by `after`. */
  list(page: { readonly after: string | null; readonly limit: number }): Promise<ExportJob[]>;
  /** How many there are. */
  count(): Promise<number>;
  remove(id: string): Promise<boolean>;
  /** The run that is longest due at `nowMs`, for `leaseMs`; null: none. */
  claim(token: string, nowMs: number, leaseMs: number): Promise<ExportClaim | null>;
  /** False: the claim is lost. */
  renew(claim: ExportClaim, untilMs: number): Promise<boolean>;
  /** Writes how the run ended and when the job is due next. False: the claim is lost, nothing was written. */
  settle(claim: ExportClaim, ended: NonNullable<ExportRun["ended"]>, due: ExportJob["due"]): Promise<boolean>;
}

/** The run that a claim begins: another attempt where the newest run is for the same time, or was cut off. */
export function nextRun(job: ExportJob, nowMs: number): ExportRun {
  const [newest] = job.runs;
  const forMs = job.due!.forMs;
  const attempt = newest !== undefined && newest.forMs === forMs ? newest.attempt + 1 : 1;
  return { forMs, attempt, startedAtMs: nowMs, ended: null };
}

/** The runs with this one in them: it takes the place of the attempt before. */
export function withRun(runs: readonly ExportRun[], run: ExportRun): ExportRun[] {
  return [run, ...runs.filter(({ forMs }) => forMs !== run.forMs)].slice(0, keptRuns);
}
