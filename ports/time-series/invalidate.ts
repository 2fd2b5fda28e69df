/** Hours of metrics to be aggregated again from their readings, for whoever does not trust what is there (replay). */
import type { Pool } from "pg";
import { inTransaction } from "./sink-offsets.ts";
import { enterAsWriter, timestamp } from "./state.ts";
import { storableText } from "./storable-text.ts";

/**
 * The next `refresh` makes them anew. Left out are hours that are not aggregated yet, and those whose readings retention
 * has begun to drop. Gives how many are left.
 */
export function invalidateHours(
  pool: Pool,
  hours: readonly { readonly device: string; readonly metric: string; readonly hourMs: number }[],
): Promise<number> {
  return inTransaction(pool, async (client) => {
    const { mergeBeforeMs, thresholdMs } = await enterAsWriter(client);
    const found = hours.filter(({ hourMs }) => hourMs >= mergeBeforeMs && hourMs < thresholdMs);
    if (found.length === 0) return 0;
    const devices = found.map(({ device }) => storableText(device));
    await client.query(
      `insert into telemetry_versions (device_id, version) select id, 1 from unnest($1::text[]) as id
       on conflict (device_id) do update set version = telemetry_versions.version + 1`,
      [[...new Set(devices)].sort()],
    );
    await client.query(
      `insert into telemetry_invalidations (device_id, metric, hour)
       select device, metric, ${timestamp("hour")}
       from unnest($1::text[], $2::text[], $3::double precision[]) as dirty(device, metric, hour)`,
      [devices, found.map(({ metric }) => storableText(metric)), found.map(({ hourMs }) => hourMs)],
    );
    return found.length;
  });
}
