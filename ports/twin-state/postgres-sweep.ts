/**
 * Who watches which twin's deadline, in PostgreSQL, and which of those that nobody watches have passed.
 *
 * An index on the deadline would move with each commit. So a twin that a living host watches has none; when its host
 * lets go of it, it is parked: its deadline is copied to `parked_ms`, which has one, until a host commits or adopts it.
 * A dead host cannot park what it leaves behind. Its twins are found through the index on their owner, one by one, and
 * whoever finds them parks some of them each time: soon there is nothing left to go through.
 *
 * None of these statements waits for the disk. What a crash takes back is an owner that is dead by then.
 */
import type pg from "pg";
import { checkShards, partsOfDevices, type TwinStateStore } from "./port.ts";

/** Stands in `parked_ms` for a twin that never has to be woken. */
const never = String(Number.MAX_SAFE_INTEGER);

/** How many twins of dead hosts a call parks at most. */
const parkedAtOnce = 2_000;

export function openSweep(pool: pg.Pool, host: string): Pick<TwinStateStore, "adopt" | "release" | "overdue"> {
  return {
    async adopt(devices) {
      if (devices.length > 0) await pool.query(adoptSql, [devices, host]);
    },
    async release(devices) {
      if (devices.length > 0) await pool.query(releaseSql, [devices, host]);
    },
    async overdue({ shard, shards, alive, nowMs, limit }) {
      checkShards(shards);
      const parts = Array.from({ length: partsOfDevices / shards }, (_, index) => shard + index * shards);
      const { rows: owners } = await pool.query<{ owner: string }>(ownersSql);
      const dead = owners.map(({ owner }) => owner).filter((owner) => !alive.includes(owner));
      const { rows } = await pool.query<{ device: string }>(overdueSql, [parts, dead, alive, nowMs, limit]);
      if (dead.length > 0) await pool.query(parkSql, [parts, dead, parkedAtOnce]);
      return rows.map(({ device }) => device);
    },
  };
}

const adoptSql = `
  update twin_states t set owner = $2, parked_ms = null
  from (
    select device from twin_states
    where device = any($1::text[]) and (owner <> $2 or parked_ms is not null)
    order by device for update
  ) as free
  where t.device = free.device and (select set_config('synchronous_commit', 'off', true)) is not null`;

const releaseSql = `
  update twin_states t set owner = '', parked_ms = coalesce(due_ms, ${never})
  from (
    select device from twin_states where device = any($1::text[]) and owner = $2 order by device for update
  ) as ours
  where t.device = ours.device and (select set_config('synchronous_commit', 'off', true)) is not null`;

/** Hosts that watch twins: from one to the next through the index, not row by row. */
const ownersSql = `
  with recursive owners as (
    select min(owner) as owner from twin_states where parked_ms is null
    union all
    select (select min(t.owner) from twin_states t where t.parked_ms is null and t.owner > owners.owner)
    from owners where owners.owner is not null
  )
  select owner from owners where owner is not null`;

const overdueSql = `
  (
    select device from twin_states
    where parked_ms is null and owner = any($2::text[]) and shard = any($1::smallint[]) and due_ms <= $4::bigint
    limit $5::bigint
  )
  union all
  (
    select device from twin_states
    where parked_ms is not null and shard = any($1::smallint[]) and parked_ms <= $4::bigint
      and owner <> all($3::text[])
    order by parked_ms limit $5::bigint
  )
  limit $5::bigint`;

const parkSql = `
  update twin_states t set parked_ms = coalesce(due_ms, ${never})
  from (
    select device from twin_states
    where parked_ms is null and owner = any($2::text[]) and shard = any($1::smallint[])
    limit $3 for update skip locked
  ) as left_behind
  where t.device = left_behind.device and (select set_config('synchronous_commit', 'off', true)) is not null`;
