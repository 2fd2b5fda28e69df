/**
 * The writing half of the fleet index: a batch's changes as a handful of statements over arrays, inside the caller's
 * transaction. What the log of the embedded mode says in order comes in order; of partitions see postgres-sightings.ts.
 */
import type { ClientBase } from "pg";
import { isConnected, statusOf } from "../../core/device/presence.ts";
import type { Location, Registration } from "../../core/device/registration.ts";
import { storableJson, storableText } from "../time-series/storable-text.ts";
import type { CommandChange, DeviceChange, FleetChanges } from "./changes.ts";
import type { Seen } from "./last-seen.ts";
import type { DeviceEvent } from "./port.ts";
import { deadLetterColumns } from "./postgres-dead-letters.ts";
import { lockDevices, mergedSeen, putSightings, since, takeDevices, unseen } from "./postgres-sightings.ts";

/** @param due what of a device's sightings is worth a write */
export async function applyChanges(
  client: ClientBase,
  changes: FleetChanges,
  due: (id: string, change: DeviceChange) => Seen | null,
): Promise<void> {
  const devices = [...changes.devices];
  await deleteDevices(
    client,
    devices.filter(([, { anew }]) => anew).map(([id]) => id),
  );
  await putRegistrations(
    client,
    devices.flatMap(([id, { registration }]) => (registration === null ? [] : [{ id, registration, ...inOrder }])),
  );
  await updateDevices(client, updatesOf(devices, due));
  await applyRest(client, changes);
}

/** A registration that is applied in the log's order: everything after it is applied after it. */
const inOrder = { registeredMs: null, seen: unseen };

/** The same for the changes of a partition, while others are applied that have to do with the same devices. */
export async function applyPartitionChanges(
  client: ClientBase,
  changes: FleetChanges,
  due: (id: string, change: DeviceChange) => Seen | null,
): Promise<void> {
  const devices = [...changes.devices];
  const anew = devices.filter(([, change]) => change.anew);
  const updates = updatesOf(devices, due);
  const touched = new Set([...updates, ...anew.map(([id]) => ({ id }))].map(({ id }) => id));
  const known = await lockDevices(client, [...touched]);
  const ended = await takeDevices(
    client,
    anew.map(([id]) => id).filter((id) => known.has(storableText(id))),
  );
  const left = new Map(anew.map(([id]) => [id, ended.get(storableText(id)) ?? unseen]));
  for (const { id, seen } of updates) {
    const { anew: isAnew, registration } = changes.devices.get(id)!;
    const homeless = isAnew ? registration === null : !known.has(storableText(id));
    if (homeless && seen !== null) left.set(id, mergedSeen(left.get(id) ?? unseen, seen));
  }
  const waiting = await putSightings(client, left);
  await putRegistrations(
    client,
    devices.flatMap(([id, { registration, registeredMs }]) => {
      if (registration === null) return [];
      const seen = registeredMs === null ? unseen : since(registeredMs, waiting.get(storableText(id)));
      return [{ id, registration, registeredMs, seen }];
    }),
  );
  // Those that were not known are among them: their registration may just have come (K3).
  await updateDevices(client, updates);
  await applyRest(client, changes);
}

/** Sightings alone, of devices that may be there or not. */
export async function applySightings(client: ClientBase, sightings: ReadonlyMap<string, Seen>): Promise<void> {
  const known = await lockDevices(client, [...sightings.keys()]);
  await putSightings(client, new Map([...sightings].filter(([id]) => !known.has(storableText(id)))));
  await updateDevices(
    client,
    [...sightings].map(([id, seen]) => ({ id, presence: null, seen })),
  );
}

type DeviceUpdate = { readonly id: string; readonly presence: DeviceChange["presence"]; readonly seen: Seen | null };

function updatesOf(
  devices: readonly (readonly [string, DeviceChange])[],
  due: (id: string, change: DeviceChange) => Seen | null,
): DeviceUpdate[] {
  return devices.flatMap(([id, change]) => {
    const seen = due(id, change);
    return seen === null && change.presence === null ? [] : [{ id, presence: change.presence, seen }];
  });
}

/** What has to do with no device's row. */
async function applyRest(client: ClientBase, changes: FleetChanges): Promise<void> {
  const commands = [...changes.commands.values()];
  await insertEvents(client, changes.events);
  await putCommands(
    client,
    commands.filter(({ request }) => request !== null),
  );
  await moveCommands(
    client,
    commands.filter(({ moved }) => moved !== null),
  );
  await countDeadLetters(client, changes.deadLetters);
}

async function deleteDevices(client: ClientBase, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await client.query("delete from devices where id = any($1)", [ids]);
}

type DeviceRegistration = {
  readonly id: string;
  readonly registration: Registration;
  /** Null where no older sighting can come later. */
  readonly registeredMs: number | null;
  readonly seen: Seen;
};

async function putRegistrations(client: ClientBase, rows: readonly DeviceRegistration[]): Promise<void> {
  if (rows.length === 0) return;
  const column = <T>(of: (registration: Registration) => T) => rows.map(({ registration }) => of(registration));
  await client.query(
    `insert into devices (id, type, region, location, firmware_version, tags, created_at, registered_at, last_seen,
       located_at, latitude, longitude)
     select id, type, region, location::jsonb, firmware, tags::jsonb, ${fromMs("created")}, ${fromMs("registered")},
       ${fromMs("seen")}, ${fromMs("located")}, latitude, longitude
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::float8[],
         $9::float8[], $10::float8[], $11::float8[], $12::float8[])
       as u (id, type, region, location, firmware, tags, created, registered, seen, located, latitude, longitude)
     on conflict (id) do update set type = excluded.type, region = excluded.region, location = excluded.location,
       firmware_version = excluded.firmware_version, tags = excluded.tags, created_at = excluded.created_at`,
    [
      rows.map(({ id }) => storableText(id)),
      column(({ type }) => storableText(type)),
      column(({ region }) => storableText(region)),
      column(({ location }) => locationJson(location)),
      column(({ firmwareVersion }) => (firmwareVersion === null ? null : storableText(firmwareVersion))),
      column(({ tags }) => storableJson(tags)),
      column(({ createdAtMs }) => createdAtMs),
      rows.map(({ registeredMs }) => registeredMs),
      ...seenColumns(rows.map(({ seen }) => seen)),
    ],
  );
}

async function updateDevices(client: ClientBase, rows: readonly DeviceUpdate[]): Promise<void> {
  if (rows.length === 0) return;
  const presence = <T>(of: (presence: NonNullable<DeviceChange["presence"]>) => T) =>
    rows.map((row) => (row.presence === null ? null : of(row.presence)));
  await client.query(
    `update devices d set
       status = coalesce(u.status, d.status), since = coalesce(${fromMs("u.since")}, d.since),
       connected = coalesce(u.connected, d.connected), flapping = coalesce(u.flapping, d.flapping),
       last_seen = case when ${counts("u.seen")} then greatest(d.last_seen, ${fromMs("u.seen")}) else d.last_seen end,
       located_at = case when ${counts("u.located")} then ${fromMs("u.located")} else d.located_at end,
       latitude = case when ${counts("u.located")} then u.latitude else d.latitude end,
       longitude = case when ${counts("u.located")} then u.longitude else d.longitude end
     from unnest($1::text[], $2::text[], $3::float8[], $4::boolean[], $5::boolean[], $6::float8[], $7::float8[], $8::float8[], $9::float8[])
       as u (id, status, since, connected, flapping, seen, located, latitude, longitude)
     where d.id = u.id`,
    [
      rows.map(({ id }) => storableText(id)),
      presence(statusOf),
      presence(({ sinceMs }) => sinceMs),
      presence(isConnected),
      presence(({ flapping }) => flapping),
      ...seenColumns(rows.map(({ seen }) => seen ?? unseen)),
    ],
  );
}

/** Seen, located, latitude, longitude. */
function seenColumns(seen: readonly Seen[]): (number | null)[][] {
  return [
    seen.map(({ lastSeenMs }) => lastSeenMs || null),
    seen.map(({ positionMs }) => positionMs || null),
    seen.map(({ position }) => position?.latitude ?? null),
    seen.map(({ position }) => position?.longitude ?? null),
  ];
}

/** Whether that time is one of the device's registration (K1). */
function counts(time: string): string {
  return `(${time} is not null and ${fromMs(time)} >= coalesce(d.registered_at, '-infinity'))`;
}

async function insertEvents(client: ClientBase, events: readonly DeviceEvent[]): Promise<void> {
  if (events.length === 0) return;
  await client.query(
    `insert into device_events (log_offset, device_id, kind, at, body, reason, type, region, rules)
     select log_offset, device_id, kind, ${fromMs("at")}, body, reason, type, region,
       case when rules is not null then array(select json_array_elements_text(rules::json)) end
     from unnest($1::bigint[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
       as u (log_offset, device_id, kind, at, body, reason, type, region, rules)`,
    [
      events.map(({ offset }) => offset),
      events.map(({ device }) => storableText(device)),
      events.map(({ record }) => record.kind),
      events.map(({ record }) => record.atMs),
      events.map(({ record }) => JSON.stringify(record)),
      ...deadLetterColumns(events.map(({ record }) => record)),
    ],
  );
}

async function putCommands(client: ClientBase, changes: readonly CommandChange[]): Promise<void> {
  if (changes.length === 0) return;
  const requests = changes.map(({ request }) => request!);
  await client.query(
    `insert into commands (device_id, id, log_offset, name, parameters, state, created_at, updated_at, expires_at)
     select device_id, id, log_offset, name, parameters, 'queued', ${fromMs("at")}, ${fromMs("at")}, ${fromMs("expires")}
     from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::float8[], $7::float8[])
       as u (device_id, id, log_offset, name, parameters, at, expires)
     on conflict (device_id, id) do update set log_offset = excluded.log_offset, name = excluded.name,
       parameters = excluded.parameters, state = excluded.state, created_at = excluded.created_at,
       updated_at = excluded.updated_at, expires_at = excluded.expires_at, progress = null, result = null, reason = null`,
    [
      changes.map(({ device }) => storableText(device)),
      changes.map(({ command }) => storableText(command)),
      requests.map(({ offset }) => offset),
      requests.map(({ record }) => storableText(record.name)),
      requests.map(({ record }) => JSON.stringify(record.parameters)),
      requests.map(({ record }) => record.atMs),
      requests.map(({ record }) => record.expiresAtMs),
    ],
  );
}

async function moveCommands(client: ClientBase, changes: readonly CommandChange[]): Promise<void> {
  if (changes.length === 0) return;
  const moves = changes.map(({ moved }) => moved!);
  await client.query(
    `update commands c set state = u.state, updated_at = ${fromMs("u.at")}, progress = coalesce(u.progress, c.progress),
       result = coalesce(u.result, c.result), reason = coalesce(u.reason, c.reason)
     from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::text[])
       as u (device_id, id, state, at, progress, result, reason)
     where c.device_id = u.device_id and c.id = u.id`,
    [
      changes.map(({ device }) => storableText(device)),
      changes.map(({ command }) => storableText(command)),
      moves.map(({ to }) => to),
      moves.map(({ atMs }) => atMs),
      moves.map(({ progress }) => (progress === undefined ? null : JSON.stringify(progress))),
      moves.map(({ result }) => (result === undefined ? null : JSON.stringify(result))),
      moves.map(({ reason }) => (reason === undefined ? null : storableText(reason))),
    ],
  );
}

async function countDeadLetters(client: ClientBase, counts: ReadonlyMap<string, number>): Promise<void> {
  if (counts.size === 0) return;
  // Partitions share these rows: in one order, so that two cannot wait for each other.
  const reasons = [...counts.keys()].sort();
  await client.query(
    `insert into dead_letter_counts (reason, count)
     select reason, count from unnest($1::text[], $2::bigint[]) as u (reason, count)
     on conflict (reason) do update set count = dead_letter_counts.count + excluded.count`,
    [reasons.map(storableText), reasons.map((reason) => counts.get(reason)!)],
  );
}

function fromMs(expression: string): string {
  return `to_timestamp(${expression} / 1000)`;
}

function locationJson(location: Location | null): string | null {
  if (location === null) return null;
  const { name } = location;
  return JSON.stringify(name === undefined ? location : { ...location, name: storableText(name) });
}
