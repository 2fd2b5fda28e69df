/** Forgets what is past its time: telemetry, events, and of the log what nobody needs any more. */
import type { EventLogReader } from "../ports/event-log/port.ts";
import type { FleetIndex } from "../ports/fleet-index/port.ts";
import type { TimeSeries } from "../ports/time-series/port.ts";
import type { TwinStore } from "../ports/twin-store/port.ts";

/** All in ms. */
export type RetentionTimes = {
  readonly telemetryRetentionMs: number;
  readonly eventRetentionMs: number;
  readonly logRetentionMs: number;
};

export type Retained = {
  readonly series: Pick<TimeSeries, "maintain" | "progress">;
  readonly fleet: Pick<FleetIndex, "trimEvents" | "progress">;
  readonly log: Pick<EventLogReader, "trim">;
  readonly twins: Pick<TwinStore, "replayFrom">;
};

export type RetentionReport = { readonly droppedPartitions: readonly string[]; readonly trimmedBatches: number };

/** What is in the tables alone: the log of the distributed mode forgets by itself. */
export async function retainTables(
  { series, fleet }: { series: Pick<TimeSeries, "maintain">; fleet: Pick<FleetIndex, "trimEvents"> },
  times: Pick<RetentionTimes, "telemetryRetentionMs" | "eventRetentionMs">,
  nowMs: number,
): Promise<readonly string[]> {
  const droppedPartitions = await series.maintain(nowMs, times.telemetryRetentionMs);
  await fleet.trimEvents(nowMs - times.eventRetentionMs);
  return droppedPartitions;
}

/** The log keeps whatever a sink has not read or a start would replay, however old it is. */
export async function retain(parts: Retained, times: RetentionTimes, nowMs: number): Promise<RetentionReport> {
  const { series, fleet, log, twins } = parts;
  const droppedPartitions = await retainTables(parts, times, nowMs);
  const needed = await Promise.all([series.progress(), fleet.progress(), twins.replayFrom()]);
  const trimmedBatches = await log.trim({ offset: Math.min(...needed), epochMs: nowMs - times.logRetentionMs });
  return { droppedPartitions, trimmedBatches };
}
