/** Which sinks there are, as a list that both modes run: each opened over the same database. */
import type { Pool } from "pg";
import { setArchiveLifecycle } from "../ports/archive/lifecycle.ts";
import { openParquetArchive } from "../ports/archive/parquet.ts";
import { openPostgresDeviceTypes } from "../ports/device-types/postgres.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { openStore } from "../ports/object-store/settings.ts";
import type { QualityRow } from "../ports/quality-stats/port.ts";
import { openPostgresQualityStats } from "../ports/quality-stats/postgres.ts";
import { openPostgresSinkDeadLetters } from "../ports/sink-dead-letters/postgres.ts";
import { openTimeSeries } from "../ports/time-series/open.ts";
import { archiveTarget } from "./archive/run.ts";
import { archiveThrough, Breaker, withBreaker } from "./breaker.ts";
import { clickHouseTarget } from "./clickhouse/run.ts";
import { fleetTarget } from "./fleet/run.ts";
import { openedWhenAsked } from "./opened-when-asked.ts";
import { defaultQualityTimes, qualityTarget } from "./quality/run.ts";
import { withSetAside } from "./set-aside.ts";
import type { ArchiveSettings, SinksSettings } from "./settings.ts";
import type { SinkTarget } from "./target.ts";
import { timeSeriesTarget } from "./timeseries/run.ts";

const dayMs = 86_400_000;

export type TargetListeners = {
  /** Hears of figures of quality that were committed, for metrics. */
  readonly counted?: (rows: readonly QualityRow[]) => void;
  /** Hears what an operator should know. */
  readonly tell?: (message: string) => void;
};

export async function openTargets(
  pool: Pool,
  settings: SinksSettings,
  { counted = () => {}, tell = () => {} }: TargetListeners = {},
): Promise<readonly SinkTarget[]> {
  const { timeSeries: kind, compressAfterMs } = settings;
  const series = await openTimeSeries(pool, { kind, compressAfterMs });
  const fleet = await openPostgresFleetIndex(pool);
  const stats = await openPostgresQualityStats(pool);
  const deviceTypes = await openPostgresDeviceTypes(pool);
  const retention = async () => ({
    keepMs: settings.telemetryRetentionMs,
    keepMsOf: new Map([...(await deviceTypes.retentionOf())].map(([type, days]) => [type, days * dayMs])),
    keepAggregatesMs: { minute: settings.minuteRetentionMs, hour: settings.hourRetentionMs },
  });
  const times = { ...defaultQualityTimes, keepHoursMs: settings.qualityRetentionMs };
  const deadLetters = await openPostgresSinkDeadLetters(pool);
  const targets = [
    ...[
      timeSeriesTarget(series, { retention, deadLetters }),
      fleetTarget(fleet, settings),
      qualityTarget(stats, deviceTypes, { times, counted }),
      ...(settings.clickhouseUrl === "" ? [] : [clickHouse(settings)]),
    ].map((target) => withBreaker(target, new Breaker())),
    ...(settings.archive === null ? [] : [await openArchive(pool, settings.archive, tell)]),
  ];
  return targets.map((target) => withSetAside(target, deadLetters));
}

async function openArchive(
  pool: Pool,
  settings: ArchiveSettings,
  tell: (message: string) => void,
): Promise<SinkTarget> {
  const store = await openStore(settings);
  // Besides what the sink deletes itself: not worth waiting for.
  setArchiveLifecycle(store, settings.retentionDays).then(
    (outcome) => {
      if (outcome.kind === "unsupported" && settings.retentionDays !== null) tell(outcome.detail);
    },
    (error: Error) => tell(`the archive's lifecycle was not set: ${error.message}`),
  );
  const archive = await openParquetArchive(pool, store);
  const breaker = new Breaker();
  const target = archiveTarget(archiveThrough(archive, breaker), settings);
  return {
    ...target,
    breaker: () => breaker.state,
    async close() {
      await target.close?.();
      await archive.close();
      await store.close();
    },
  };
}

/** A server beside the system: while it is away, everything else goes on. */
function clickHouse({
  clickhouseUrl,
  clickhouseRetentionMs,
  minuteRetentionMs,
  hourRetentionMs,
}: SinksSettings): SinkTarget {
  const keepAggregatesMs = { minute: minuteRetentionMs, hour: hourRetentionMs };
  return openedWhenAsked({ name: "clickhouse", topics: ["iot-telemetry"] }, async () => {
    // The client is loaded where it is needed.
    const { openClickHouseAnalytics } = await import("../ports/analytics/clickhouse.ts");
    const analytics = await openClickHouseAnalytics({
      ...{ url: clickhouseUrl, keepMs: clickhouseRetentionMs, keepAggregatesMs },
    });
    const target = clickHouseTarget(analytics);
    return { ...target, close: () => analytics.close() };
  });
}
