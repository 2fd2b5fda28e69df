/** Opens what a replay of a sink needs, in the running system's place or a new one. */
import type pg from "pg";
import { openPostgresDeviceTypes } from "../../ports/device-types/postgres.ts";
import { openPostgresFleetIndex } from "../../ports/fleet-index/postgres.ts";
import { openPostgresQualityStats } from "../../ports/quality-stats/postgres.ts";
import { invalidateHours } from "../../ports/time-series/invalidate.ts";
import { openTimeSeries } from "../../ports/time-series/open.ts";
import type { SeriesRetention } from "../../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { ensureSchema } from "../../ports/time-series/sink-offsets.ts";
import { fleetTarget } from "../fleet/run.ts";
import { qualityTarget } from "../quality/run.ts";
import type { SinksSettings } from "../settings.ts";
import { timeSeriesTarget } from "../timeseries/run.ts";
import { openArchiveWork } from "./archive-work.ts";
import { checkWholeLog, exchangeFleet } from "./fleet-exchange.ts";
import { freshWork } from "./fresh-work.ts";
import { BadPlace, checkPlaceName, openSchema } from "./place.ts";
import { type ReplayProgress, replayProgress } from "./progress.ts";
import { exchangeQuality } from "./quality-exchange.ts";
import { rebuiltWork } from "./rebuilt-work.ts";
import type { ReplayWork } from "./run.ts";
import { aggregatesWork, rowsWork } from "./timeseries-work.ts";

const dayMs = 86_400_000;

export const replaySinks = ["timeseries", "aggregates", "archive", "quality", "fleet"] as const;
export type ReplaySink = (typeof replaySinks)[number];

export type OpenReplay = {
  readonly sink: ReplaySink;
  /** Null: the running system's place. */
  readonly into: string | null;
  /** As they were written: with sink and place they name the replay. */
  readonly words: { readonly from: string; readonly to: string };
  /** Forgets what an earlier run of the same replay has done. */
  readonly anew: boolean;
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly settings: SinksSettings;
  readonly now?: () => number;
};

export type OpenedReplay = {
  readonly work: ReplayWork;
  readonly progress: ReplayProgress;
  close(): Promise<void>;
};

/** @throws BadPlace */
export async function openReplay(options: OpenReplay): Promise<OpenedReplay> {
  const { sink, into, words, anew, pool, databaseUrl } = options;
  if (into !== null) checkPlaceName(into);
  const name = `${sink}:${into ?? ""}:${words.from}-${words.to}`;
  await ensureSchema(pool, "replay", "");
  const rebuilds = into === null && (sink === "quality" || sink === "fleet");
  const schema = into ?? (rebuilds ? `replay_${sink}` : null);
  // Of a replay into a new place, the progress is there too: it is complete in itself.
  const state = into === null || schema === null ? pool : await openSchema(pool, databaseUrl, schema);
  const progress = replayProgress(state, name);
  if (anew) await progress.forget();
  if (rebuilds && (await progress.begun()) === null) await pool.query(`drop schema if exists ${schema} cascade`);
  const place = rebuilds ? await openSchema(pool, databaseUrl, schema!) : state;
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers) await closer();
    for (const opened of new Set([state, place])) if (opened !== pool) await opened.end();
  };
  try {
    return { work: await workOf(options, place, progress, closers), progress, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function workOf(
  options: OpenReplay,
  place: pg.Pool,
  progress: ReplayProgress,
  closers: (() => Promise<void>)[],
): Promise<ReplayWork> {
  const { sink, into, pool, settings, now = Date.now } = options;
  switch (sink) {
    case "timeseries": {
      if (into === null) return rowsWork(await openTimeSeries(place, { kind: settings.timeSeries }), now);
      const series = await openPostgresTimeSeries(place); // an extension belongs to the database, not to a schema
      const target = timeSeriesTarget(series, { retention: () => retentionOf(settings, pool) });
      const finish = async () => `${await series.refresh(now())} aggregates made.`;
      return freshWork(target, { pool: place, place: into, finish, now });
    }
    case "aggregates": {
      if (into !== null) await checkHasRows(place, into);
      const series =
        into === null
          ? await openTimeSeries(place, { kind: settings.timeSeries })
          : await openPostgresTimeSeries(place);
      return aggregatesWork(series, (hours) => invalidateHours(place, hours), now);
    }
    case "quality": {
      const target = qualityTarget(await openPostgresQualityStats(place), await openPostgresDeviceTypes(pool));
      const fresh = freshWork(target, {
        ...{ pool: place, place: into ?? "replay_quality", now },
        finish: async () => "The figures of quality were made.",
      });
      if (into !== null) return fresh;
      const stats = await openPostgresQualityStats(pool);
      return rebuiltWork(fresh, {
        ...{ pool, schema: "replay_quality", forget: progress.forgetIn },
        sinkProgress: (partition) => stats.progressIn(partition),
        exchange: (client, ranges) => exchangeQuality(client, "replay_quality", ranges),
      });
    }
    case "fleet": {
      const target = fleetTarget(await openPostgresFleetIndex(place), settings);
      const fresh = freshWork(target, {
        ...{ pool: place, place: into ?? "replay_fleet", now },
        finish: async () => "The fleet index was made.",
      });
      if (into !== null) return fresh;
      const fleet = await openPostgresFleetIndex(pool);
      return rebuiltWork(fresh, {
        ...{ pool, schema: "replay_fleet", forget: progress.forgetIn, check: checkWholeLog },
        sinkProgress: (partition) => fleet.progressIn(partition),
        exchange: (client, ranges) => exchangeFleet(client, "replay_fleet", ranges),
      });
    }
    case "archive": {
      const { work, close } = await openArchiveWork(settings.archive, { pool: place, into, now });
      closers.push(close);
      return work;
    }
  }
}

async function checkHasRows(place: pg.Pool, into: string): Promise<void> {
  const { rowCount } = await place.query("select from sink_offsets where consumer = 'timeseries' and next_offset > 0");
  if (rowCount !== 0) return;
  throw new BadPlace(
    `${into} has no readings to aggregate. Replay them first, which makes the aggregates too: --sink timeseries --into ${into}`,
  );
}

/** As the running sink's: types may have their own. */
async function retentionOf(
  { telemetryRetentionMs, minuteRetentionMs, hourRetentionMs }: SinksSettings,
  pool: pg.Pool,
): Promise<SeriesRetention> {
  const deviceTypes = await openPostgresDeviceTypes(pool);
  return {
    keepMs: telemetryRetentionMs,
    keepMsOf: new Map([...(await deviceTypes.retentionOf())].map(([type, days]) => [type, days * dayMs])),
    keepAggregatesMs: { minute: minuteRetentionMs, hour: hourRetentionMs },
  };
}
