/**
 * The sinks of the distributed mode: the log's partitions into history and lists, as one member of two consumer groups.
 * Members share the partitions; start as many as there is work for.
 *
 * E1 A database or a log that is away is waited for, at the start and later, and told in `probes`.
 * E2 `close` ends after the transactions under way. A process that ends without loses nothing: its progress is theirs.
 */
import type { Pool } from "pg";
import type { HealthProbe } from "../ports/http-health/routes.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { type QualityTotals, RunningTotals } from "../ports/quality-stats/totals.ts";
import { type BackOff, pause, pauseAfter } from "../ports/record-log/back-off.ts";
import type { Consumption, RecordSource } from "../ports/record-log/port.ts";
import { StaleProgress } from "../ports/time-series/port.ts";
import type { BreakerState } from "./breaker.ts";
import { type RunningChores, runFirstChores, startChores } from "./chores.ts";
import { partitionSinkProbe } from "./health.ts";
import { openPartitionSink, type PartitionSink, partitionOf } from "./partition-sink.ts";
import type { SinksSettings } from "./settings.ts";
import type { SinkTarget } from "./target.ts";
import { openTargets } from "./targets.ts";

export type SinksOptions = SinksSettings & {
  readonly databaseUrl: string;
  /** Most connections to it; 8. */
  readonly databaseConnections?: number;
  /** Closed by whoever opened it, after `close`. */
  readonly source: RecordSource;
  /** Told what the sinks get over by themselves: a failed commit, a lost connection. */
  readonly onTrouble?: (message: string) => void;
  readonly now?: () => number;
  readonly times?: Partial<SinksTimes>;
  /** Which sinks there are; those of targets.ts. */
  readonly openTargets?: typeof openTargets;
};

export type SinksTimes = {
  /** How soon a chore is tried again when it failed. */
  readonly retryMs: number;
  /** Between two tries to open the tables. */
  readonly backOff: BackOff;
  /** A transaction that takes longer when it ends is cut: it comes again. */
  readonly stopMs: number;
};

export type RunningSinks = {
  /** Whether the tables are open and the log is consumed. */
  readonly ready: () => boolean;
  /** The database, each sink, each chore: those of the sinks as soon as they are open. */
  readonly probes: () => readonly HealthProbe[];
  /** By sink: records of the log that it has not stored, over all partitions and members; rejects when the log is away. */
  lag(): Promise<Readonly<Record<string, number>>>;
  /** By sink: records that it has taken in this process. */
  records(): Readonly<Record<string, number>>;
  /** By sink; null: it has none. */
  breakers(): Readonly<Record<string, BreakerState | null>>;
  /** How good the data is, counted since the start. */
  quality(): QualityTotals;
  /** Resolves after `close`; rejects when consuming ended for good. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
};

const defaultTimes: SinksTimes = { retryMs: 60_000, backOff: { firstMs: 250, maxMs: 15_000 }, stopMs: 10_000 };

type OpenSink = { readonly target: SinkTarget; readonly sink: PartitionSink; readonly consumption: Consumption };
type Opened = { readonly sinks: readonly OpenSink[]; readonly chores: RunningChores };

/** Comes back at once: the rest is opened behind, and `ready` says when. */
export function openSinks(options: SinksOptions): RunningSinks {
  const { source, onTrouble = () => {}, now = Date.now } = options;
  const times = { ...defaultTimes, ...options.times };
  const stopping = new AbortController();
  const closed = Promise.withResolvers<void>();
  closed.promise.catch(() => {}); // whoever waits for it is told; nobody has to
  const warn = (what: string, error: unknown) => {
    if (!(error instanceof StaleProgress)) onTrouble(`${what}: ${(error as Error).message}`);
  };
  const pool = openPool(options.databaseUrl, {
    max: options.databaseConnections ?? 8,
    name: "doppel-sinks",
    onIdleError: (error) => warn("database connection lost", error),
  });
  const quality = new RunningTotals();
  let opened: Opened | null = null;
  const opening = openWhenThere();
  let closing: Promise<void> | null = null;

  /** E1 */
  async function openWhenThere(): Promise<void> {
    for (let failures = 1; !stopping.signal.aborted; failures += 1) {
      try {
        const targets = await (options.openTargets ?? openTargets)(pool, options, {
          counted: (rows) => quality.add(rows),
          tell: onTrouble,
        });
        // Before the first row: they make the partitions of these days.
        await runFirstChores(targets, now);
        if (stopping.signal.aborted) return;
        const sinks = await consume(targets);
        opened = { sinks, chores: startChores(targets, { now, onTrouble: warn, retryMs: times.retryMs }) };
        return;
      } catch (error) {
        warn("the sinks' tables and log could not be opened and are tried again", error);
        await pause(pauseAfter(failures, times.backOff), stopping.signal);
      }
    }
  }

  /** All of them, or none. */
  async function consume(targets: readonly SinkTarget[]): Promise<OpenSink[]> {
    const sinks: OpenSink[] = [];
    try {
      for (const target of targets) {
        const sink = openPartitionSink(target, { now });
        sinks.push({ target, sink, consumption: await start(target, sink) });
      }
      return sinks;
    } catch (error) {
      await Promise.all(sinks.map(({ consumption }) => consumption.stop()));
      throw error;
    }
  }

  async function start({ name, topics, storedIn }: SinkTarget, sink: PartitionSink): Promise<Consumption> {
    const consumption = await source.consume({
      group: `doppel-${name}`,
      topics,
      progress: sink.progress,
      ...(storedIn !== undefined && { stored: (partition) => storedIn(partitionOf(partition)) }),
      take: sink.take,
      onTrouble: (error) => warn(`the ${name} sink tries again`, error),
    });
    consumption.closed.then(
      // Not when it was stopped, here or because another one could not begin.
      () => {
        if (opened !== null && closing === null) closed.reject(new Error(`The ${name} sink ended by itself.`));
      },
      (error: unknown) => closed.reject(error),
    );
    return consumption;
  }

  /** E2 */
  async function close(): Promise<void> {
    stopping.abort();
    const done = (async () => {
      await opening.catch(() => {});
      const { sinks, chores } = opened ?? { sinks: [], chores: null };
      await Promise.all(sinks.map(({ consumption }) => consumption.stop()));
      await chores?.stop();
      for (const { target } of sinks)
        await target.close?.().catch((error: unknown) => warn(`not all of the ${target.name} sink is stored`, error));
      await pool.end();
    })();
    const cut = new AbortController();
    await Promise.race([done, pause(times.stopMs, cut.signal)]);
    cut.abort();
    closed.resolve();
  }

  return {
    ready: () => opened !== null && closing === null,
    probes: () => [
      { name: "database", check: () => databaseAnswers(pool) },
      ...(opened === null ? [notOpened] : opened.sinks.map(({ target, sink }) => partitionSinkProbe(target, sink))),
      ...(opened?.chores.probes ?? []),
    ],
    async lag() {
      const lags = (opened?.sinks ?? []).map(
        async ({ target, consumption }) => [target.name, await lagOf(consumption)] as const,
      );
      return Object.fromEntries(await Promise.all(lags));
    },
    records: () => Object.fromEntries((opened?.sinks ?? []).map(({ sink }) => [sink.name, sink.records()])),
    breakers: () =>
      Object.fromEntries((opened?.sinks ?? []).map(({ target }) => [target.name, target.breaker?.() ?? null])),
    quality: () => quality.totals(),
    closed: closed.promise,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

const notOpened: HealthProbe = {
  name: "sinks",
  check: async () => ({ ok: false, detail: "tables and log are not open; the log says why" }),
};

async function databaseAnswers(pool: Pool): Promise<{ ok: boolean }> {
  return { ok: (await pool.query("select 1")).rowCount === 1 };
}

async function lagOf(consumption: Consumption): Promise<number> {
  const partitions = await consumption.lag();
  return partitions.reduce((sum, { progress, end }) => sum + Math.max(0, end - progress), 0);
}
