/**
 * Retention: what is dropped when (S3), and that nothing is dropped before aggregates have it (S4).
 *
 * X1 `merge_before` moves to the first day that any device keeps, when everything before it is aggregated and no writer is
 *    under way: from then on late readings for such times go straight into their aggregates.
 * X2 Only readings before `merge_before` are dropped, and `raw_from` says so before the first one is.
 * X3 Devices whose type keeps readings for a shorter time say so each: a device that changes its type does not get
 *    back what is gone. Their late readings stay as long as those of others.
 */
import type { Pool } from "pg";
import { withAdvisoryLock } from "../postgres/advisory-lock.ts";
import { aggregatesPastBefore, type RawBorders, rawBorders, settledBefore } from "./aggregation-times.ts";
import type { SeriesRetention } from "./port.ts";
import { startOfDay } from "./retention-days.ts";
import { inTransaction } from "./sink-offsets.ts";
import { epochMs, stateIn, time, timestamp, withoutWriters } from "./state.ts";

export type Expiry = {
  /** Aggregates everything before that time. */
  refresh(toMs: number): Promise<number>;
  /** Whether there are readings of the range that arrived before `arrivedMs`. Cheap, and at most wrongly true. */
  hasBefore(tsMs: number, arrivedMs: number): Promise<boolean>;
  /** A statement that a transaction begins with which deletes readings. */
  readonly beforeDelete?: string;
  /** Drops readings of whole days before `tsMs` that arrived before `arrivedMs`; gives what it dropped, by name. */
  dropRaw(tsMs: number, arrivedMs: number): Promise<string[]>;
  dropAggregates(nowMs: number, pastMs: { minute: number; hour: number }): Promise<string[]>;
};

/** Gives the names of what it dropped; nothing when another process is at it. */
export async function expire(pool: Pool, expiry: Expiry, nowMs: number, retention: SeriesRetention): Promise<string[]> {
  let dropped: string[] = [];
  await withAdvisoryLock(pool, "doppel telemetry retention", async () => {
    dropped = await expireAll(pool, expiry, nowMs, retention);
  });
  return dropped;
}

async function expireAll(pool: Pool, expiry: Expiry, nowMs: number, retention: SeriesRetention): Promise<string[]> {
  const borders = rawBorders(nowMs, retention);
  const longestMs = Math.max(retention.keepMs, ...retention.keepMsOf.values());
  const dropped: string[] = [];
  const past = await expiry.hasBefore(borders.allMs, nowMs - longestMs);
  const groups = await shorterGroups(pool, retention, longestMs);
  if (past || groups.length > 0) {
    const mergeBeforeMs = await settle(pool, expiry, borders, settledBefore(nowMs));
    if (past) {
      const toMs = startOfDay(Math.min(borders.allMs, mergeBeforeMs));
      await pool.query(`update telemetry_state set raw_from = greatest(raw_from, ${timestamp("$1")})`, [toMs]); // X2
      dropped.push(...(await expiry.dropRaw(toMs, nowMs - longestMs)));
    }
    for (const group of groups)
      await expireGroup(
        pool,
        expiry,
        group,
        Math.min(startOfDay(nowMs - group.keepMs), mergeBeforeMs),
        nowMs - group.keepMs,
      );
  }
  dropped.push(...(await expireAggregates(pool, expiry, nowMs, retention)));
  return dropped;
}

/** X1; gives how far it came. */
async function settle(pool: Pool, expiry: Expiry, borders: RawBorders, settledMs: number): Promise<number> {
  const toMs = Math.min(Math.max(borders.allMs, borders.shortestMs), settledMs);
  for (let tries = 0; tries < 3; tries += 1) {
    const before = await stateIn(pool);
    if (before.mergeBeforeMs >= toMs) return before.mergeBeforeMs;
    await expiry.refresh(toMs);
    const moved = await withoutWriters(pool, async (client, state) => {
      if (state.aggregatedToMs < toMs) return false;
      const { rowCount } = await client.query(
        `update telemetry_state set merge_before = greatest(merge_before, ${timestamp("$1")})
         where not exists (select from telemetry_invalidations where hour < ${timestamp("$1")})`,
        [toMs],
      );
      return rowCount === 1;
    });
    if (moved) return toMs;
  }
  // Another process is aggregating, or late readings pour in: the next time, then.
  return (await stateIn(pool)).mergeBeforeMs;
}

type Group = { readonly keepMs: number; readonly condition: string; readonly values: readonly unknown[] };

/** Which devices keep readings for a shorter time than the partitions stay. */
async function shorterGroups(
  pool: Pool,
  { keepMs, keepMsOf }: SeriesRetention,
  longestMs: number,
): Promise<readonly Group[]> {
  const { rows } = await pool.query("select to_regclass('devices') is not null as there");
  if (!rows[0].there) return [];
  const groups: Group[] = [...keepMsOf].map(([type, keep]) => ({
    ...{ keepMs: keep, condition: "type = $1", values: [type] },
  }));
  groups.push({ keepMs, condition: "not type = any($1::text[])", values: [[...keepMsOf.keys()]] });
  return groups.filter((group) => group.keepMs < longestMs);
}

const devicesAtOnce = 20;

/** X3; devices by the name, so that a run that was cut goes on where it is not done. */
async function expireGroup(
  pool: Pool,
  { beforeDelete }: Expiry,
  group: Group,
  toMs: number,
  arrivedMs: number,
): Promise<void> {
  if (toMs === Number.NEGATIVE_INFINITY) return;
  for (let after = ""; ; ) {
    const { rows } = await pool.query(
      `select id, ${epochMs("raw_from")} as raw_from from devices left join telemetry_expired on device_id = id
       where ${group.condition} and id > $2 and coalesce(raw_from < ${timestamp("$3")}, true)
       order by id limit ${devicesAtOnce}`,
      [...group.values, after, toMs],
    );
    if (rows.length === 0) return;
    after = rows.at(-1).id;
    const ids = rows.map(({ id }) => id);
    await inTransaction(pool, async (client) => {
      if (beforeDelete !== undefined) await client.query(beforeDelete);
      await client.query(
        `insert into telemetry_expired (device_id, raw_from) select id, ${timestamp("$2")} from unnest($1::text[]) as id
         on conflict (device_id) do update set raw_from = greatest(telemetry_expired.raw_from, excluded.raw_from)`,
        [ids, toMs],
      );
      await client.query(
        `delete from telemetry where device_id = any($1::text[]) and ts < ${timestamp("$2")}
         and received_at < ${timestamp("$3")}`,
        [ids, toMs, time(arrivedMs)],
      );
    });
  }
}

async function expireAggregates(
  pool: Pool,
  expiry: Expiry,
  nowMs: number,
  { keepAggregatesMs }: SeriesRetention,
): Promise<string[]> {
  const past = {
    minute: aggregatesPastBefore(nowMs, keepAggregatesMs.minute),
    hour: aggregatesPastBefore(nowMs, keepAggregatesMs.hour),
  };
  await pool.query(
    `update telemetry_state set minutes_from = greatest(minutes_from, ${timestamp("$1")}),
       hours_from = greatest(hours_from, ${timestamp("$2")})
     where minutes_from < ${timestamp("$1")} or hours_from < ${timestamp("$2")}`,
    [past.minute, past.hour],
  );
  return expiry.dropAggregates(nowMs, past);
}
