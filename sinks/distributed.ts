/**
 * The sinks of the distributed mode: the log's partitions into history and lists, as one member of two consumer groups.
 * Members share the partitions; start as many as there is work for.
 *
 * E1 A database or a log that is away is waited for, at the start and later, and told in `probes`.
 * E2 `close` ends after the transactions under way. A process that ends without loses nothing: its progress is theirs.
 */
import type { Pool } from "pg";
import type { FleetIndex } from "../ports/fleet-index/port.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import type { HealthProbe } from "../ports/http-health/routes.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { type BackOff, pause, pauseAfter } from "../ports/record-log/back-off.ts";
import { type Consumption, type LogTopic, logTopics, type RecordSource } from "../ports/record-log/port.ts";
import { StaleProgress, type TimeSeries } from "../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../ports/time-series/postgres.ts";
import { fleetTarget } from "./fleet/run.ts";
import type { SinkName } from "./messages.ts";
import { openPartitionSink, type PartitionSink } from "./partition-sink.ts";
import { type RetentionTimes, retainTables } from "./retention.ts";
import { timeSeriesTarget } from "./timeseries/run.ts";

export type SinksOptions = Pick<RetentionTimes, "telemetryRetentionMs" | "eventRetentionMs"> & {
  readonly databaseUrl: string;
  /** Most connections to it; 8. */
  readonly databaseConnections?: number;
  /** Closed by whoever opened it, after `close`. */
  readonly source: RecordSource;
  /** Told what the sinks get over by themselves: a failed commit, a lost connection. */
  readonly onTrouble?: (message: string) => void;
  readonly now?: () => number;
  readonly times?: Partial<SinksTimes>;
};

export type SinksTimes = {
  readonly retentionMs: number;
  /** How soon retention is tried again when it failed. */
  readonly retentionRetryMs: number;
  /** What was last seen of a device that has been silent for so long is written; looked after as often. */
  readonly settleMs: number;
  /** Between two tries to open the tables. */
  readonly backOff: BackOff;
  /** A transaction that takes longer when it ends is cut: it comes again. */
  readonly stopMs: number;
};

export type RunningSinks = {
  /** Whether the tables are open and the log is consumed. */
  readonly ready: () => boolean;
  /** The database, each sink, retention. */
  readonly probes: readonly HealthProbe[];
  /** Records of the log that each sink has not taken in, over all partitions and members; rejects when the log is away. */
  lag(): Promise<Readonly<Record<SinkName, number>>>;
  /** Records that each sink has committed in this process. */
  records(): Readonly<Record<SinkName, number>>;
  /** Resolves after `close`; rejects when consuming ended for good. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
};

const defaultTimes: SinksTimes = {
  retentionMs: 3_600_000,
  retentionRetryMs: 60_000,
  settleMs: 10_000,
  backOff: { firstMs: 250, maxMs: 15_000 },
  stopMs: 10_000,
};

/** What each sink reads. Its name is also the consumer's in `sink_offsets`. */
const topicsOf: Readonly<Record<SinkName, readonly LogTopic[]>> = { timeseries: ["iot-telemetry"], fleet: logTopics };

type Opened = {
  readonly series: TimeSeries;
  readonly fleet: FleetIndex;
  readonly sinks: Readonly<Record<SinkName, PartitionSink>>;
  readonly consumptions: Readonly<Record<SinkName, Consumption>>;
};

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
  let opened: Opened | null = null;
  let notOpened = "the tables are not open yet";
  let retentionTrouble: string | null = null;
  const opening = openWhenThere();
  const chores = [every(times.settleMs, settle), keepRetention()];
  let closing: Promise<void> | null = null;

  /** E1 */
  async function openWhenThere(): Promise<void> {
    for (let failures = 1; !stopping.signal.aborted; failures += 1) {
      try {
        const series = await openPostgresTimeSeries(pool);
        const fleet = await openPostgresFleetIndex(pool);
        // Before the first row: it makes the partitions of these days.
        await retainTables({ series, fleet }, options, now());
        if (stopping.signal.aborted) return;
        await consume(series, fleet);
        return;
      } catch (error) {
        notOpened = "tables and log could not be opened; the log says why";
        warn("the sinks' tables and log could not be opened and are tried again", error);
        await pause(pauseAfter(failures, times.backOff), stopping.signal);
      }
    }
  }

  async function consume(series: TimeSeries, fleet: FleetIndex): Promise<void> {
    // Anew at each try: what was wrong with an earlier one is over.
    const sinks = {
      timeseries: openPartitionSink(timeSeriesTarget(series), { now }),
      fleet: openPartitionSink(fleetTarget(fleet), { now }),
    };
    const timeseriesConsumption = await start(sinks.timeseries, topicsOf.timeseries);
    try {
      const consumptions = { timeseries: timeseriesConsumption, fleet: await start(sinks.fleet, topicsOf.fleet) };
      opened = { series, fleet, sinks, consumptions };
    } catch (error) {
      await timeseriesConsumption.stop();
      throw error;
    }
  }

  async function start(sink: PartitionSink, topics: readonly LogTopic[]): Promise<Consumption> {
    const consumption = await source.consume({
      group: `doppel-${sink.name}`,
      topics,
      progress: sink.progress,
      take: sink.take,
      onTrouble: (error) => warn(`the ${sink.name} sink tries again`, error),
    });
    consumption.closed.then(
      // Not when it was stopped, here or because the other one could not begin.
      () => {
        if (opened !== null && closing === null) closed.reject(new Error(`The ${sink.name} sink ended by itself.`));
      },
      (error: unknown) => closed.reject(error),
    );
    return consumption;
  }

  async function settle(): Promise<void> {
    try {
      await opened?.fleet.settleSightings(now() - times.settleMs);
    } catch (error) {
      warn("when devices were last seen was not written and is written later", error);
    }
  }

  async function every(ms: number, work: () => Promise<void>): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(ms, stopping.signal);
      await work();
    }
  }

  /** The first time was at the opening. */
  async function keepRetention(): Promise<void> {
    await opening;
    for (let nextMs = times.retentionMs; !stopping.signal.aborted; ) {
      await pause(nextMs, stopping.signal);
      if (opened === null || stopping.signal.aborted) return;
      try {
        await retainTables(opened, options, now());
        retentionTrouble = null;
        nextMs = times.retentionMs;
      } catch (error) {
        retentionTrouble = "failed and is tried again; the log says why";
        warn("retention failed and is tried again", error);
        nextMs = times.retentionRetryMs;
      }
    }
  }

  /** E2 */
  async function close(): Promise<void> {
    stopping.abort();
    const done = (async () => {
      await opening.catch(() => {});
      await Promise.all(Object.values(opened?.consumptions ?? {}).map((consumption) => consumption.stop()));
      await Promise.all(chores);
      await opened?.fleet
        .settleSightings(Number.POSITIVE_INFINITY)
        .catch((error: unknown) => warn("not written", error));
      await pool.end();
    })();
    const cut = new AbortController();
    await Promise.race([done, pause(times.stopMs, cut.signal)]);
    cut.abort();
    closed.resolve();
  }

  return {
    ready: () => opened !== null && closing === null,
    probes: [
      { name: "database", check: () => databaseAnswers(pool) },
      sinkProbe("timeseries"),
      sinkProbe("fleet"),
      {
        name: "retention",
        check: async () => (retentionTrouble === null ? { ok: true } : { ok: false, detail: retentionTrouble }),
      },
    ],
    async lag() {
      if (opened === null) return { timeseries: 0, fleet: 0 };
      const { timeseries, fleet } = opened.consumptions;
      const [seriesLag, fleetLag] = await Promise.all([lagOf(timeseries), lagOf(fleet)]);
      return { timeseries: seriesLag, fleet: fleetLag };
    },
    records: () => ({
      timeseries: opened?.sinks.timeseries.records() ?? 0,
      fleet: opened?.sinks.fleet.records() ?? 0,
    }),
    closed: closed.promise,
    close() {
      closing ??= close();
      return closing;
    },
  };

  function sinkProbe(name: SinkName): HealthProbe {
    return {
      name: `sink ${name}`,
      async check() {
        if (opened === null) return { ok: false, detail: notOpened };
        const places = [...opened.sinks[name].troubles().keys()];
        const { length } = places;
        return length === 0
          ? { ok: true }
          : { ok: false, detail: `${length} partitions wait, ${places[0]} among them; the log says why` };
      },
    };
  }
}

async function databaseAnswers(pool: Pool): Promise<{ ok: boolean }> {
  return { ok: (await pool.query("select 1")).rowCount === 1 };
}

async function lagOf(consumption: Consumption): Promise<number> {
  const partitions = await consumption.lag();
  return partitions.reduce((sum, { progress, end }) => sum + Math.max(0, end - progress), 0);
}
