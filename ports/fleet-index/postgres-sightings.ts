/**
 * Where the log has partitions, a device's telemetry and its registration come by different ones, in any order and at
 * the same time. When a device was seen, and where, meets its registration here.
 *
 * K1 A sighting counts for a device if it is not older than the device's registration.
 * K2 A sighting that finds no device waits in `device_sightings`; a registration takes from there what counts.
 * K3 Both write the row in `device_sightings` before they look for each other: whoever comes second waits for the
 *    first one's commit and finds what it did.
 * K4 A registration that ends leaves its sightings there: they may already be the next one's.
 */
import type { ClientBase } from "pg";
import { storableText } from "../time-series/storable-text.ts";
import type { Seen } from "./last-seen.ts";

export const sightingsSchema = `
  create table if not exists device_sightings (
    device_id text collate "C" primary key,
    touched_at timestamptz not null default now(),
    seen_at timestamptz,
    located_at timestamptz,
    latitude double precision,
    longitude double precision
  );
`;

/** Locks the devices that there are of these, in the order of their ids, so that two cannot wait for each other. */
export async function lockDevices(client: ClientBase, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const { rows } = await client.query("select id from devices where id = any($1::text[]) order by id for update", [
    ids.map(storableText),
  ]);
  return new Set(rows.map(({ id }) => id as string));
}

/** Deletes the devices and gives what was last seen of them. */
export async function takeDevices(client: ClientBase, ids: readonly string[]): Promise<Map<string, Seen>> {
  if (ids.length === 0) return new Map();
  const { rows } = await client.query(
    `delete from devices where id = any($1::text[])
     returning id, last_seen as seen_at, located_at, latitude, longitude`,
    [ids.map(storableText)],
  );
  return new Map(rows.map((row) => [row.id as string, seenOf(row)]));
}

/** Adds sightings to what waits and gives all that waits for these devices. */
export async function putSightings(
  client: ClientBase,
  sightings: ReadonlyMap<string, Seen>,
): Promise<ReadonlyMap<string, Seen>> {
  if (sightings.size === 0) return new Map();
  const rows = [...sightings];
  const { rows: stored } = await client.query(
    `insert into device_sightings as s (device_id, seen_at, located_at, latitude, longitude)
     select id, ${timeOf("seen")}, ${timeOf("located")}, latitude, longitude
     from unnest($1::text[], $2::float8[], $3::float8[], $4::float8[], $5::float8[])
       as u (id, seen, located, latitude, longitude)
     order by id collate "C"
     on conflict (device_id) do update set
       touched_at = now(),
       seen_at = greatest(s.seen_at, excluded.seen_at),
       located_at = greatest(s.located_at, excluded.located_at),
       latitude = case when ${newer} then excluded.latitude else s.latitude end,
       longitude = case when ${newer} then excluded.longitude else s.longitude end
     returning device_id as id, seen_at, located_at, latitude, longitude`,
    [
      rows.map(([id]) => storableText(id)),
      rows.map(([, { lastSeenMs }]) => lastSeenMs || null),
      rows.map(([, { positionMs }]) => positionMs || null),
      rows.map(([, { position }]) => position?.latitude ?? null),
      rows.map(([, { position }]) => position?.longitude ?? null),
    ],
  );
  return new Map(stored.map((row) => [row.id as string, seenOf(row)]));
}

const newer = "excluded.located_at >= coalesce(s.located_at, '-infinity')";

/** Of what was seen, that which a device registered at `registeredMs` has to do with (K1). */
export function since(registeredMs: number, seen: Seen | undefined): Seen {
  if (seen === undefined) return unseen;
  const { lastSeenMs, position, positionMs } = seen;
  const located = position !== null && positionMs >= registeredMs;
  return {
    lastSeenMs: lastSeenMs >= registeredMs ? lastSeenMs : 0,
    ...(located ? { position, positionMs } : { position: null, positionMs: 0 }),
  };
}

export const unseen: Seen = { lastSeenMs: 0, position: null, positionMs: 0 };

/** The newest of both. */
export function mergedSeen(a: Seen, b: Seen): Seen {
  const { position, positionMs } = b.position !== null && b.positionMs >= a.positionMs ? b : a;
  return { lastSeenMs: Math.max(a.lastSeenMs, b.lastSeenMs), position, positionMs };
}

/** Nobody waits that long. */
export async function forgetSightings(client: { query: ClientBase["query"] }, epochMs: number): Promise<void> {
  await client.query("delete from device_sightings where touched_at < to_timestamp($1::double precision / 1000)", [
    epochMs,
  ]);
}

type SeenRow = { seen_at: Date | null; located_at: Date | null; latitude: number | null; longitude: number | null };

function seenOf({ seen_at, located_at, latitude, longitude }: SeenRow): Seen {
  const located = located_at !== null && latitude !== null && longitude !== null;
  return {
    lastSeenMs: seen_at?.getTime() ?? 0,
    position: located ? { latitude, longitude } : null,
    positionMs: located ? located_at.getTime() : 0,
  };
}

function timeOf(expression: string): string {
  return `to_timestamp(${expression} / 1000)`;
}
