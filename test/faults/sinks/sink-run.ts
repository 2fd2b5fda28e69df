/** One sink over a log to its end, with all its chores: in a process that is to be killed, and in one that goes on. */
import type pg from "pg";
import { openClickHouseAnalytics } from "../../../ports/analytics/clickhouse.ts";
import { openParquetArchive } from "../../../ports/archive/parquet.ts";
import { openMemoryDeviceTypes } from "../../../ports/device-types/memory.ts";
import { openPostgresLogReader } from "../../../ports/event-log/postgres.ts";
import { openPostgresFleetIndex } from "../../../ports/fleet-index/postgres.ts";
import { openObjectStore } from "../../../ports/object-store/open.ts";
import { openPostgresQualityStats } from "../../../ports/quality-stats/postgres.ts";
import { openPostgresTimeSeries } from "../../../ports/time-series/postgres.ts";
import { archiveTarget } from "../../../sinks/archive/run.ts";
import { clickHouseTarget } from "../../../sinks/clickhouse/run.ts";
import { openConsumer } from "../../../sinks/consumer.ts";
import { fleetTarget } from "../../../sinks/fleet/run.ts";
import { qualityTarget } from "../../../sinks/quality/run.ts";
import type { SinkTarget } from "../../../sinks/target.ts";
import { forever, sinksSettings } from "../../../sinks/testing.ts";
import { timeSeriesTarget } from "../../../sinks/timeseries/run.ts";
import { type Step, watchHttp, watchLog, watchStore } from "./fault-point.ts";
import { type Mutant, mutated, mutatedStore } from "./mutants.ts";

export const faultSinks = ["timeseries", "fleet", "quality", "archive", "clickhouse"] as const;
export type FaultSink = (typeof faultSinks)[number];

export type SinkScene = {
  readonly sink: FaultSink;
  /** Null: as it should be. */
  readonly mutant: Mutant | null;
  /** Of the archive. */
  readonly folder: string;
  readonly clickhouseUrl: string;
  /** What chores take for now, epoch ms. */
  readonly nowMs: number;
  /** Records in a batch. */
  readonly batch: number;
};

export type SinkRun = {
  /** Rejects with the first failure that is not gone at once. */
  toTheEnd(): Promise<void>;
  /** Ends what would outlive a dead one. */
  cut(): void;
};

/** @param step told of each step of stores and log; the pool is the caller's to watch */
export async function openSinkRun(pool: pg.Pool, scene: SinkScene, step: Step = () => undefined): Promise<SinkRun> {
  const { target: right, cut } = await targetOf(pool, scene, step);
  const target = mutated(right, scene.mutant);
  const log = watchLog(openPostgresLogReader(pool), step);
  const consumer = openConsumer(log, target, { maxRecords: scene.batch, maxWeight: 100_000 });
  return {
    async toTheEnd() {
      for (const chore of target.chores ?? []) if (chore.first) await chore.run(scene.nowMs);
      for (;;) {
        const taken = await consumer.step();
        if (taken.kind === "failed" && taken.times > 1) throw taken.error;
        if (taken.kind === "idle") break;
      }
      await target.close?.();
      for (const chore of target.chores ?? []) await chore.run(scene.nowMs);
      cut();
    },
    cut,
  };
}

async function targetOf(
  pool: pg.Pool,
  { sink, mutant, folder, clickhouseUrl, nowMs }: SinkScene,
  step: Step,
): Promise<{ target: SinkTarget; cut: () => void }> {
  const cut = () => {};
  switch (sink) {
    case "timeseries":
      return { target: timeSeriesTarget(await openPostgresTimeSeries(pool), forever), cut };
    case "fleet": {
      const settings = sinksSettings({ eventRetentionMs: 3_650 * 86_400_000 });
      return { target: fleetTarget(await openPostgresFleetIndex(pool), settings), cut };
    }
    case "quality": {
      const stats = await openPostgresQualityStats(pool);
      const times = { keepMinutesMs: 9 * 3_600_000, keepHoursMs: 3_650 * 86_400_000 }; // so that hours are made of some
      return { target: qualityTarget(stats, openMemoryDeviceTypes(), { times }), cut };
    }
    case "archive": {
      const store = watchStore(mutatedStore(await openObjectStore(folder), mutant), step);
      const archive = await openParquetArchive(pool, store, { now: () => nowMs });
      return { target: archiveTarget(archive, { maxRows: 60, maxAgeMs: 60_000, now: () => nowMs }), cut };
    }
    case "clickhouse": {
      const watched = await watchHttp(clickhouseUrl, step);
      const keep = { keepMs: null, keepAggregatesMs: { minute: null, hour: null } };
      const analytics = await openClickHouseAnalytics({ url: watched.url, ...keep });
      const cut = () => {
        watched.cut();
        void analytics.close();
      };
      return { target: clickHouseTarget(analytics), cut };
    }
  }
}
