/** Which sinks there are, as a list that both modes run: each opened over the same database. */
import type { Pool } from "pg";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { openPostgresTimeSeries } from "../ports/time-series/postgres.ts";
import { fleetTarget } from "./fleet/run.ts";
import type { SinksSettings } from "./settings.ts";
import type { SinkTarget } from "./target.ts";
import { timeSeriesTarget } from "./timeseries/run.ts";

export async function openTargets(pool: Pool, settings: SinksSettings): Promise<readonly SinkTarget[]> {
  const series = await openPostgresTimeSeries(pool);
  const fleet = await openPostgresFleetIndex(pool);
  const retention = async () => ({
    keepMs: settings.telemetryRetentionMs,
    keepMsOf: new Map<string, number>(),
    keepAggregatesMs: { minute: settings.minuteRetentionMs, hour: settings.hourRetentionMs },
  });
  return [timeSeriesTarget(series, { retention }), fleetTarget(fleet, settings)];
}
