/** One sink over a log to its end, with all its chores: in a process that is to be killed, and in one that goes on. */
import type pg from "pg";
import { openParquetArchive } from "../../../ports/archive/parquet.ts";
import { openMemoryDeviceTypes } from "../../../ports/device-types/memory.ts";
import { openPostgresLogReader } from "../../../ports/event-log/postgres.ts";
import { openPostgresFleetIndex } from "../../../ports/fleet-index/postgres.ts";
import { openObjectStore } from "../../../ports/object-store/open.ts";
import { openPostgresQualityStats } from "../../../ports/quality-stats/postgres.ts";
import { openPostgresTimeSeries } from "../../../ports/time-series/postgres.ts";
import { archiveTarget } from "../../../sinks/archive/run.ts";
import { openConsumer } from "../../../sinks/consumer.ts";
import { fleetTarget } from "../../../sinks/fleet/run.ts";
import { qualityTarget } from "../../../sinks/quality/run.ts";
import type { SinkTarget } from "../../../sinks/target.ts";
import { forever, sinksSettings } from "../../../sinks/testing.ts";
import { timeSeriesTarget } from "../../../sinks/timeseries/run.ts";
import { type Step, watchLog, watchStore } from "./fault-point.ts";

export const faultSinks = ["timeseries", "fleet", "quality", "archive"] as const;
export type FaultSink = (typeof faultSinks)[number];

export type SinkScene = {
  readonly sink: FaultSink;
  /** Of the archive. */
  readonly folder: string;
  /** What chores take for now, epoch ms. */
  readonly nowMs: number;
  /** Records in a batch. */
  readonly batch: number;
};

/** @param step told of each step of store and log; the pool is the caller's to watch */
export async function openSinkRun(
  pool: pg.Pool,
  { sink, folder, nowMs, batch }: SinkScene,
  step: Step = () => undefined,
) {
  const target = await targetOf(sink, pool, folder, nowMs, step);
  const log = watchLog(openPostgresLogReader(pool), step);
  const consumer = openConsumer(log, target, { maxRecords: batch, maxWeight: 100_000 });
  return {
    /** Rejects with the first failure that is not gone at once. */
    async toTheEnd(): Promise<void> {
      for (const chore of target.chores ?? []) if (chore.first) await chore.run(nowMs);
      for (;;) {
        const taken = await consumer.step();
        if (taken.kind === "failed" && taken.times > 1) throw taken.error;
        if (taken.kind === "idle") break;
      }
      await target.close?.();
      for (const chore of target.chores ?? []) await chore.run(nowMs);
    },
  };
}

async function targetOf(
  sink: FaultSink,
  pool: pg.Pool,
  folder: string,
  nowMs: number,
  step: Step,
): Promise<SinkTarget> {
  switch (sink) {
    case "timeseries":
      return timeSeriesTarget(await openPostgresTimeSeries(pool), forever);
    case "fleet":
      return fleetTarget(await openPostgresFleetIndex(pool), sinksSettings({ eventRetentionMs: 3_650 * 86_400_000 }));
    case "quality":
      return qualityTarget(await openPostgresQualityStats(pool), openMemoryDeviceTypes(), {
        times: { keepMinutesMs: 9 * 3_600_000, keepHoursMs: 3_650 * 86_400_000 }, // so that hours are made of some
      });
    case "archive": {
      const store = watchStore(await openObjectStore(folder), step);
      const archive = await openParquetArchive(pool, store, { now: () => nowMs });
      return archiveTarget(archive, { maxRows: 60, maxAgeMs: 60_000, now: () => nowMs });
    }
  }
}
