/** Opens what the API knows of the past, over the same tables and files that the sinks write. */
import { randomUUID } from "node:crypto";
import type { Pool } from "pg";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import { openPostgresExports } from "../../ports/exports/postgres.ts";
import type { FleetIndex } from "../../ports/fleet-index/port.ts";
import { openStore, type StoreSettings } from "../../ports/object-store/settings.ts";
import { openPostgresQualityStats } from "../../ports/quality-stats/postgres.ts";
import { openMemoryQueryCache } from "../../ports/query-cache/memory.ts";
import type { QueryCache } from "../../ports/query-cache/port.ts";
import type { RedisAccess } from "../../ports/redis/access.ts";
import { openPostgresResends } from "../../ports/resends/postgres.ts";
import { openPostgresSinkDeadLetters } from "../../ports/sink-dead-letters/postgres.ts";
import { openTimeSeries, type TimeSeriesChoice } from "../../ports/time-series/open.ts";
import { openExportRunner } from "../exports/runner.ts";
import type { ApiParts } from "../parts.ts";
import { openHistory } from "./service.ts";

export type HistorySettings = {
  readonly timeSeries: TimeSeriesChoice["kind"];
  /** Of the archive and of exports; null: there are none. */
  readonly store: StoreSettings | null;
  /** Null: answers are kept in this process. */
  readonly redis: RedisAccess | null;
};

export type OpenedHistory = Pick<
  ApiParts,
  "series" | "history" | "exports" | "quality" | "resends" | "sinkDeadLetters"
> & {
  /** Gives back the export under way. The pool stays open. */
  close(): Promise<void>;
};

export async function openHistoryParts(
  pool: Pool,
  { timeSeries, store, redis }: HistorySettings,
  { fleet, log }: { readonly fleet: FleetIndex; readonly log: ApiParts["log"] },
): Promise<OpenedHistory> {
  const closers: (() => Promise<unknown>)[] = [];
  const closing = async () => {
    for (const close of closers.reverse()) await close();
  };
  try {
    const series = await openTimeSeries(pool, { kind: timeSeries });
    const beside = {
      series,
      quality: await openPostgresQualityStats(pool),
      resends: await openPostgresResends(pool),
      sinkDeadLetters: await openPostgresSinkDeadLetters(pool),
    };
    const cache = redis === null ? openMemoryQueryCache() : await redisCache(redis);
    closers.push(() => cache.close());
    if (store === null) {
      const history = openHistory({ series, archive: null, fleet, cache });
      return { ...beside, history, exports: null, close: closing };
    }
    const files = await openStore(store);
    closers.push(() => files.close());
    const archive = await openParquetArchive(pool, files);
    closers.push(() => archive.close());
    const history = openHistory({ series, archive, fleet, cache });
    const jobs = await openPostgresExports(pool);
    const runner = openExportRunner({ jobs, files, history, now: Date.now, newToken: randomUUID, log });
    closers.push(() => runner.close());
    runner.start();
    const wake = () => void runner.runDue().catch(() => {}); // it has been told, and comes again
    return { ...beside, history, exports: { jobs, files, wake }, close: closing };
  } catch (error) {
    await closing();
    throw error;
  }
}

/** The client is loaded where there is a Redis. */
async function redisCache(access: RedisAccess): Promise<QueryCache> {
  const { openRedisQueryCache } = await import("../../ports/query-cache/redis.ts");
  return openRedisQueryCache(access);
}
