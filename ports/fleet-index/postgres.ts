/**
 * The fleet index in plain PostgreSQL (15 or newer). Its lists are read here; batches are written by postgres-apply.ts,
 * tables made by schema.ts.
 */
import type { Pool, PoolClient } from "pg";
import type { TwinRecord } from "../../core/device/records.ts";
import { tellingRefusal } from "../time-series/refusal.ts";
import { ensureSchema, inTransactionAgain, moveProgress, readProgress } from "../time-series/sink-offsets.ts";
import { storableText } from "../time-series/storable-text.ts";
import { changesOf } from "./changes.ts";
import { decodeIdCursor, decodePlaceCursor, encodeCursor, type Place } from "./cursor.ts";
import { LastSeen } from "./last-seen.ts";
import type { CommandSummary, DeviceEvent, DeviceFilter, DeviceSummary, FleetIndex, FleetStats, Page } from "./port.ts";
import { applyChanges, applyPartitionChanges, applySightings } from "./postgres-apply.ts";
import { readDeadLetter, readDeadLetters } from "./postgres-dead-letters.ts";
import { forgetSightings } from "./postgres-sightings.ts";
import { commandColumns, commandOf, deviceColumns, deviceOf } from "./rows.ts";
import { fleetSchema, isLocated } from "./schema.ts";
import { statsOf } from "./stats.ts";

const consumer = "fleet";
const lastSeenIntervalMs = 30_000;
const statsAgeMs = 1_000;
const openStates = ["queued", "sent", "acknowledged"];
const endedStates = ["succeeded", "failed", "rejected", "expired", "cancelled"];

/** Makes its tables if they are missing. @param clock epoch ms: how old cached numbers are */
export async function openPostgresFleetIndex(pool: Pool, clock: () => number = Date.now): Promise<FleetIndex> {
  await ensureSchema(pool, consumer, fleetSchema);
  const lastSeenIn = new Map<string, LastSeen>();
  let cachedStats: { atMs: number; stats: Promise<FleetStats> } | null = null;

  return {
    progress: async () => (await readProgress(pool, consumer)) ?? 0,
    progressIn: (partition) => readProgress(pool, consumer, partition),
    async apply(entries, progress) {
      const changes = changesOf(entries);
      const { partition } = progress;
      const lastSeen = lastSeenIn.get(partition ?? "") ?? new LastSeen(lastSeenIntervalMs);
      lastSeenIn.set(partition ?? "", lastSeen);
      const applyAll = partition === undefined ? applyChanges : applyPartitionChanges;
      const apply = async (client: PoolClient) => {
        // The log has what a crash takes back, progress included: no need to wait for the disk.
        await client.query("set local synchronous_commit = off");
        await moveProgress(client, consumer, progress);
        await applyAll(client, changes, (id, change) => lastSeen.due(id, change));
      };
      await tellingRefusal(() => inTransactionAgain(pool, apply));
      lastSeen.commit(changes.devices);
      cachedStats = null;
    },
    async settleSightings(beforeMs) {
      for (const lastSeen of lastSeenIn.values()) {
        const waiting = lastSeen.waiting(beforeMs);
        if (waiting.size === 0) continue;
        await inTransactionAgain(pool, (client) => applySightings(client, waiting));
        lastSeen.settled(waiting);
      }
    },
    async device(id) {
      const { rows } = await pool.query(`select ${deviceColumns} from devices where id = $1`, [storableText(id)]);
      return rows.length === 0 ? null : deviceOf(rows[0]);
    },
    devices: (filter, page) => devices(pool, filter, page),
    async count(filter) {
      const { where, values } = conditions(filter, []);
      const { rows } = await pool.query(`select count(*)::integer as count from devices ${where}`, values);
      return rows[0].count;
    },
    stats() {
      const atMs = clock();
      if (cachedStats === null || Math.abs(atMs - cachedStats.atMs) >= statsAgeMs) {
        const stats = readStats(pool);
        cachedStats = { atMs, stats };
        stats.catch(() => {
          cachedStats = null;
        });
      }
      return cachedStats.stats;
    },
    async located(limit) {
      const { rows } = await pool.query(
        `select id, coalesce(latitude, (location ->> 'latitude')::double precision) as latitude,
           coalesce(longitude, (location ->> 'longitude')::double precision) as longitude, status
         from devices where ${isLocated()} order by id limit $1`,
        [limit],
      );
      return rows;
    },
    async deadLetterCounts() {
      const { rows } = await pool.query("select reason, count from dead_letter_counts");
      return Object.fromEntries(rows.map(({ reason, count }) => [reason, Number(count)]));
    },
    events: (query, page) => events(pool, query, page),
    deadLetters: (filter, page) => readDeadLetters(pool, filter, page),
    deadLetter: (place) => readDeadLetter(pool, place),
    commands: (query, page) => commands(pool, query, page),
    async command(device, command) {
      const { rows } = await pool.query(`select ${commandColumns} from commands where device_id = $1 and id = $2`, [
        storableText(device),
        storableText(command),
      ]);
      return rows.length === 0 ? null : commandOf(rows[0]);
    },
    trimEvents: (epochMs) => trim(pool, epochMs),
  };
}

type PageRequest = { readonly cursor: string | null; readonly limit: number };

async function devices(pool: Pool, filter: DeviceFilter, { cursor, limit }: PageRequest): Promise<Page<DeviceSummary>> {
  const after = decodeIdCursor(cursor);
  const { where, values } = conditions(filter, after === null ? [] : [["id > ?", after]]);
  const { rows } = await pool.query(
    `select ${deviceColumns} from devices ${where} order by id limit $${values.length + 1}`,
    [...values, limit + 1],
  );
  return pageOf(rows.map(deviceOf), limit, ({ id }) => encodeCursor("device", id));
}

type Condition = readonly [sql: string, value: unknown];

/** Each `?` becomes the condition's parameter. */
function conditions(filter: DeviceFilter, more: readonly Condition[]): { where: string; values: unknown[] } {
  const { status, flapping, region, type, tag, search } = filter;
  const all: Condition[] = [...more];
  if (status !== undefined) all.push(["status = ?", status]);
  if (flapping !== undefined) all.push([flapping ? "flapping and ?::boolean" : "not flapping and ?::boolean", true]);
  if (region !== undefined) all.push(["region = ?", storableText(region)]);
  if (type !== undefined) all.push(["type = ?", storableText(type)]);
  if (tag !== undefined)
    all.push(["tags @> ?::jsonb", JSON.stringify({ [storableText(tag.name)]: storableText(tag.value) })]);
  if (search !== undefined) all.push(["strpos(lower(id), ?) > 0", storableText(search.toLowerCase())]);
  const sql = all.map(([condition], index) => condition.replace("?", `$${index + 1}`));
  return { where: sql.length === 0 ? "" : `where ${sql.join(" and ")}`, values: all.map(([, value]) => value) };
}

async function readStats(pool: Pool): Promise<FleetStats> {
  const { rows } = await pool.query(
    `select region, type, status, flapping, count(*)::integer as count from devices group by 1, 2, 3, 4`,
  );
  return statsOf(rows);
}

/** Every kind that `isEvent` lets in. */
const eventKinds: readonly TwinRecord["kind"][] = [
  ...(["registered", "registrationChanged", "deregistered", "presence", "deadLettered"] as const),
  ...(["shadowUpdated", "shadowDeleted", "commandRequested", "commandMoved"] as const),
];

/** The newest of each kind, then the newest of those: each kind is a quick look into an index, however rare it is. */
async function events(
  pool: Pool,
  { device, kinds }: { device: string | null; kinds?: readonly TwinRecord["kind"][] },
  { cursor, limit }: PageRequest,
): Promise<Page<DeviceEvent>> {
  const newest = "order by at desc, log_offset desc, device_id desc, kind desc limit $1";
  const below = decodePlaceCursor("event", cursor);
  const values: unknown[] = [limit + 1, ...valuesOf(below), below.kind, [...new Set(kinds ?? eventKinds)]];
  if (device !== null) values.push(storableText(device));
  const { rows } = await pool.query(
    `select e.* from unnest($6::text[]) as wanted, lateral (
       select at, log_offset, device_id, kind, body from device_events
       where kind = wanted and (at, log_offset, device_id, kind) < (${place}, $5)
         ${device === null ? "" : "and device_id = $7"} ${newest}) as e
     ${newest}`,
    values,
  );
  const found = rows.map((row) => ({
    offset: Number(row.log_offset),
    device: row.device_id as string,
    record: JSON.parse(row.body) as TwinRecord,
  }));
  return pageOf(found, limit, ({ offset, device, record: { atMs, kind } }) =>
    encodeCursor("event", { atMs, offset, device, kind }),
  );
}

/** A place's time, offset and device as parameters. */
const place = "to_timestamp($2::double precision / 1000), $3::bigint, $4";

function valuesOf({ atMs, offset, device }: Place): unknown[] {
  return [atMs, offset, storableText(device)];
}

/** Of all devices: the newest of each state, as with events. */
async function commands(
  pool: Pool,
  { device, state }: Parameters<FleetIndex["commands"]>[0],
  { cursor, limit }: PageRequest,
): Promise<Page<CommandSummary>> {
  const newest = "order by created_at desc, log_offset desc, device_id desc limit $1";
  const older = `(created_at, log_offset, device_id) < (${place})`;
  const values = [limit + 1, ...valuesOf(decodePlaceCursor("command", cursor))];
  const states = state === undefined ? [...openStates, ...endedStates] : [state];
  const { rows } =
    device === null
      ? await pool.query(
          `select c.* from unnest($5::text[]) as wanted, lateral (
             select * from commands where state = wanted and ${older} ${newest}) as c
           ${newest}`,
          [...values, states],
        )
      : await pool.query(`select * from commands where device_id = $6 and state = any($5) and ${older} ${newest}`, [
          ...values,
          states,
          storableText(device),
        ]);
  const { items, next } = pageOf(rows, limit, (row) =>
    encodeCursor("command", {
      ...{ atMs: row.created_at.getTime(), offset: Number(row.log_offset), device: row.device_id, kind: "" },
    }),
  );
  return { items: items.map(commandOf), next };
}

/** In bites, so that no statement holds many locks for long. */
async function trim(pool: Pool, epochMs: number): Promise<void> {
  const bite = 10_000;
  for (;;) {
    const { rowCount } = await pool.query(
      `delete from device_events where ctid = any (array(
         select ctid from device_events where at < to_timestamp($1::double precision / 1000) limit $2))`,
      [epochMs, bite],
    );
    if ((rowCount ?? 0) < bite) break;
  }
  await pool.query(
    "delete from commands where state = any($1) and updated_at < to_timestamp($2::double precision / 1000)",
    [endedStates, epochMs],
  );
  await forgetSightings(pool, epochMs);
}

/** `found` holds one more than the page, if there is more. */
function pageOf<T>(found: readonly T[], limit: number, cursorOf: (item: T) => string): Page<T> {
  const items = found.slice(0, limit);
  return { items, next: found.length > limit ? cursorOf(items.at(-1)!) : null };
}
