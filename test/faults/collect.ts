/** Reads what a run left: from the API while the system is up, from its database when it has ended. */
import type { Pool } from "pg";
import { openPostgresLogReader } from "../../ports/event-log/postgres.ts";
import type { CommandSummary, DeviceEvent, FleetIndex } from "../../ports/fleet-index/port.ts";
import { openPostgresFleetIndex } from "../../ports/fleet-index/postgres.ts";
import { startCluster } from "../../ports/postgres/cluster.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { openPostgresTwinStore } from "../../ports/twin-store/postgres.ts";
import type { ApiAnswers, ApiTwin, Facts, Logged, Stored, StoredRow } from "./facts.ts";
import { get } from "./http.ts";

export type Collected = Pick<Facts, "rows" | "progress" | "fleetCommands" | "fleetDeadLetters"> & Stored;

/** Log and checkpoints; the system must not run. */
export function collectStored(databaseFolder: string): Promise<Stored> {
  return withDatabase(databaseFolder, readStored);
}

/** All that is in the database; the system must not run. */
export function collectAll(databaseFolder: string): Promise<Collected> {
  return withDatabase(databaseFolder, async (pool) => {
    const fleet = await openPostgresFleetIndex(pool);
    const series = await openPostgresTimeSeries(pool);
    return {
      ...(await readStored(pool)),
      rows: await readRows(pool),
      progress: { timeseries: await series.progress(), fleet: await fleet.progress() },
      fleetCommands: await readCommands(fleet),
      fleetDeadLetters: await readDeadLetters(fleet),
    };
  });
}

/** Each device as lists and its own page show it. */
export async function collectApi(httpPort: number, devices: Iterable<string>): Promise<ApiAnswers> {
  const statuses = await statusesByApi(httpPort);
  const twins = new Map<string, ApiTwin>();
  for (const device of devices) twins.set(device, await get<ApiTwin>(httpPort, `/v1/devices/${device}`));
  return { statuses, twins };
}

export async function statusesByApi(httpPort: number): Promise<Map<string, string>> {
  type DevicePage = { items: { id: string; status: string }[]; next: string | null };
  const statuses = new Map<string, string>();
  for (let cursor: string | null = ""; cursor !== null; ) {
    const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const { items, next }: DevicePage = await get(httpPort, `/v1/devices?limit=50${query}`);
    for (const { id, status } of items) statuses.set(id, status);
    cursor = next;
  }
  return statuses;
}

async function withDatabase<Result>(folder: string, read: (pool: Pool) => Promise<Result>): Promise<Result> {
  const cluster = await startCluster(folder);
  try {
    const pool = openPool(cluster.url);
    try {
      return await read(pool);
    } finally {
      await pool.end();
    }
  } finally {
    await cluster.stop();
  }
}

async function readStored(pool: Pool): Promise<Stored> {
  const reader = openPostgresLogReader(pool);
  const log: Logged[] = [];
  for (let offset = 0; ; ) {
    const { entries, next } = await reader.read(offset, 20_000);
    if (next === offset) break;
    for (const { offset: at, entry } of entries) log.push({ offset: at, device: entry.device, record: entry.record });
    offset = next;
  }
  const store = await openPostgresTwinStore(pool);
  const ids: string[] = [];
  for await (const page of store.ids()) ids.push(...page);
  const logEnd = await reader.end();
  return { log, logEnd, checkpoints: await store.load(ids), replayFrom: await store.replayFrom() };
}

/** Every row as it stands in the table, in no order: the port's queries would leave out what it must not hold. */
export async function readRows(pool: Pool): Promise<StoredRow[]> {
  const { rows } = await pool.query({
    text: `select device_id, round(date_part('epoch', ts) * 1000), metric, value, value_bool, value_text, tags,
      round(date_part('epoch', received_at) * 1000), log_offset, flags from telemetry`,
    rowMode: "array",
  });
  return rows.map(([device, tsMs, metric, number, bool, text, tags, receivedAtMs, offset, flags]) => {
    return { device, tsMs, metric, value: bool ?? text ?? number, tags, receivedAtMs, offset: Number(offset), flags };
  });
}

export async function readCommands(fleet: FleetIndex): Promise<CommandSummary[]> {
  const commands: CommandSummary[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await fleet.commands({ device: null }, { cursor, limit: 1_000 });
    commands.push(...page.items);
    if (page.next === null) return commands;
    cursor = page.next;
  }
}

export async function readDeadLetters(fleet: FleetIndex): Promise<DeviceEvent[]> {
  const letters: DeviceEvent[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await fleet.events({ device: null, kinds: ["deadLettered"] }, { cursor, limit: 1_000 });
    letters.push(...page.items);
    if (page.next === null) return letters;
    cursor = page.next;
  }
}
