/**
 * Tables of the fleet index. Ids and the words that lists are filtered by are compared bytewise: their order means
 * nothing to people, and bytes are quick. What is only kept is JSON text, which holds any string.
 *
 * Lists that are newest first go by time, offset, device (cursor.ts): of several partitions' records only the time says
 * which is newer. Tables of versions that went by the offset alone are altered; their rows stay.
 */
import { sightingsSchema } from "./postgres-sightings.ts";

export const fleetSchema = `
  create table if not exists devices (
    id text collate "C" primary key,
    type text collate "C" not null,
    region text collate "C" not null,
    location jsonb,
    firmware_version text,
    tags jsonb not null,
    created_at timestamptz not null,
    status text collate "C" not null default 'offline',
    since timestamptz not null default 'epoch',
    last_seen timestamptz,
    connected boolean not null default false,
    flapping boolean not null default false,
    -- where it measured itself to be
    latitude double precision,
    longitude double precision
  ) with (fillfactor = 85);
  -- Only where the log has partitions: when the record of its registration was made, and when it measured its place.
  alter table devices add column if not exists registered_at timestamptz;
  alter table devices add column if not exists located_at timestamptz;
  create index if not exists devices_by_region on devices (region, id);
  create index if not exists devices_by_type on devices (type, id);
  create index if not exists devices_by_status on devices (status, id);
  create index if not exists devices_flapping on devices (id) where flapping;
  create index if not exists devices_by_tag on devices using gin (tags jsonb_path_ops);
  create index if not exists devices_located on devices (id) where ${isLocated()};

  create table if not exists device_events (
    log_offset bigint not null,
    device_id text collate "C" not null,
    kind text collate "C" not null,
    at timestamptz not null,
    body text not null
  );
  -- No index on the time alone: looking for a rare kind, PostgreSQL would walk all events by it.
  create index if not exists device_events_newest on device_events (kind, at, log_offset);
  create index if not exists device_events_of_device on device_events (device_id, kind, at, log_offset);
  alter table device_events drop constraint if exists device_events_pkey;
  drop index if exists device_events_by_device;
  create index if not exists device_events_times on device_events using brin (at);
  -- Of dead letters, what they are looked up by. Their JSON cannot be asked: it may hold what PostgreSQL's cannot.
  alter table device_events add column if not exists reason text collate "C";
  alter table device_events add column if not exists rules text[] collate "C";
  alter table device_events add column if not exists type text collate "C";
  alter table device_events add column if not exists region text collate "C";
  -- Letters of an earlier version. Within the payload's text each quote has a backslash before it.
  update device_events set reason = substring(body from '"reason":"([^"]*)"'), rules = '{}', type = 'default', region = ''
    where kind = 'deadLettered' and reason is null;
  create index if not exists dead_letters_by_reason on device_events (reason, at, log_offset) where kind = 'deadLettered';

  create table if not exists commands (
    device_id text collate "C" not null,
    id text collate "C" not null,
    log_offset bigint not null,
    name text not null,
    parameters text not null,
    state text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    expires_at timestamptz,
    progress text,
    result text,
    reason text,
    primary key (device_id, id)
  );
  create index if not exists commands_of_device on commands (device_id, created_at, log_offset);
  create index if not exists commands_in_state on commands (state, created_at, log_offset);
  drop index if exists commands_by_device;
  drop index if exists commands_by_state;

  create table if not exists dead_letter_counts (reason text collate "C" primary key, count bigint not null);
  ${sightingsSchema}
`;

/** As in the partial index, word for word: else PostgreSQL does not use it. */
export function isLocated(): string {
  return "(latitude is not null or (location ? 'latitude' and location ? 'longitude'))";
}
