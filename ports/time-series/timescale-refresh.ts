/**
 * Continuous aggregates brought up to a time, and late hours again: as refresh.ts, with TimescaleDB making the sums.
 *
 * A refresh cannot be part of a transaction: what it did is noted after it, and it is done again where a crash was quicker.
 * It never reaches before `merge_before` (see timescale-schema.ts).
 */
import type { Pool } from "pg";
import { resolutionMs } from "../../core/history/coverage.ts";
import { withAdvisoryLock } from "../postgres/advisory-lock.ts";
import { moveThreshold } from "./refresh.ts";
import { dayMs } from "./retention-days.ts";
import { epochMs, stateIn, timestamp } from "./state.ts";

const { hour } = resolutionMs;
const invalidationsAtOnce = 1_000;

/** Aggregates everything before `toMs`, a whole hour; gives how many hours of metrics that made. */
export async function refreshTimescale(pool: Pool, toMs: number): Promise<number> {
  await moveThreshold(pool, toMs, async (client) => {
    const { rows } = await client.query(
      `select ${epochMs("min(range_start)")} as first from timescaledb_information.chunks
       where hypertable_name = 'telemetry'`,
    );
    return Math.min(toMs, rows[0].first ?? toMs);
  });
  let written = 0;
  await withAdvisoryLock(pool, "doppel telemetry refresh", async () => {
    written += await materialise(pool);
    written += await renew(pool);
  });
  return written;
}

async function materialise(pool: Pool): Promise<number> {
  let written = 0;
  for (;;) {
    const { aggregatedToMs: fromMs, thresholdMs } = await stateIn(pool);
    if (fromMs >= thresholdMs) return written;
    const chunkMs = await nextChunk(pool, fromMs, thresholdMs);
    // A day at a time; where no chunk is, there is nothing to make.
    const toMs = chunkMs > fromMs ? chunkMs : Math.min(thresholdMs, Math.floor(fromMs / dayMs) * dayMs + dayMs);
    if (chunkMs <= fromMs) written += await refreshRange(pool, fromMs, toMs);
    const to = timestamp("$1");
    await pool.query(`update telemetry_state set minutes_to = ${to}, aggregated_to = ${to}`, [toMs]);
  }
}

/** Start of the first chunk that ends after `fromMs`, at most `endMs`. */
async function nextChunk(pool: Pool, fromMs: number, endMs: number): Promise<number> {
  const { rows } = await pool.query(
    `select ${epochMs("min(range_start)")} as first from timescaledb_information.chunks
     where hypertable_name = 'telemetry' and range_end > ${timestamp("$1")}`,
    [fromMs],
  );
  return Math.min(endMs, rows[0].first ?? endMs);
}

async function renew(pool: Pool): Promise<number> {
  let written = 0;
  for (;;) {
    const { rows } = await pool.query(
      `select id, ${epochMs("hour")} as hour from telemetry_invalidations order by id limit ${invalidationsAtOnce}`,
    );
    if (rows.length === 0) return written;
    for (const [fromMs, toMs] of joined(rows.map((row) => row.hour))) written += await refreshRange(pool, fromMs, toMs);
    await pool.query("delete from telemetry_invalidations where id = any($1::bigint[])", [rows.map(({ id }) => id)]);
  }
}

/** The hours as ranges, neighbours as one. */
function joined(hours: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const start of [...new Set(hours)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.[1] === start) last[1] += hour;
    else ranges.push([start, start + hour]);
  }
  return ranges;
}

async function refreshRange(pool: Pool, fromMs: number, toMs: number): Promise<number> {
  const [from, to] = [fromMs, toMs].map((ms) => new Date(ms).toISOString());
  for (const name of ["telemetry_minutes", "telemetry_hours"])
    await pool.query(`call refresh_continuous_aggregate('${name}', '${from}'::timestamptz, '${to}'::timestamptz)`);
  const { rows } = await pool.query(
    `select count(*)::double precision as made from telemetry_hours where window_start >= '${from}' and window_start < '${to}'`,
  );
  return rows[0].made;
}
