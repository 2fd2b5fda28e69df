/**
 * Tables of the fleet index. Ids and the words that lists are filtered by are compared bytewise: their order means
 * nothing to people, and bytes are quick. What is only kept is JSON text, which holds any string.
 */
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
    body text not null,
    -- No index on the offset alone: looking for a rare kind, PostgreSQL would walk all events by it.
    primary key (kind, log_offset)
  );
  create index if not exists device_events_by_device on device_events (device_id, kind, log_offset);
  create index if not exists device_events_times on device_events using brin (at);

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
  create index if not exists commands_by_device on commands (device_id, log_offset);
  create index if not exists commands_by_state on commands (state, log_offset);

  create table if not exists dead_letter_counts (reason text collate "C" primary key, count bigint not null);
`;

/** As in the partial index, word for word: else PostgreSQL does not use it. */
export function isLocated(): string {
  return "(latitude is not null or (location ? 'latitude' and location ? 'longitude'))";
}
