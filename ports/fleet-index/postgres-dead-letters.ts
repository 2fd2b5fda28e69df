/** Dead letters in the fleet index's PostgreSQL: the columns that they are looked up by, and the looking up. */
import type { Pool } from "pg";
import type { DeadLettered, TwinRecord } from "../../core/device/records.ts";
import { storableText } from "../time-series/storable-text.ts";
import { decodePlaceCursor, encodeCursor } from "./cursor.ts";
import type { DeadLetterEvent, DeadLetterFilter, FleetIndex, Page } from "./port.ts";

/** Reason, type, region and rules (a JSON array); null for other records. */
export function deadLetterColumns(records: readonly TwinRecord[]): (string | null)[][] {
  const column = (of: (record: DeadLettered) => string) =>
    records.map((record) => (record.kind === "deadLettered" ? of(record) : null));
  return [
    column(({ reason }) => storableText(reason)),
    column(({ type }) => storableText(type ?? "default")),
    column(({ region }) => storableText(region ?? "")),
    column(({ broken }) => JSON.stringify([...new Set(broken?.map(({ rule }) => storableText(rule)))])),
  ];
}

/** By the same order and cursors as all events. */
export async function readDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  { cursor, limit }: { cursor: string | null; limit: number },
): Promise<Page<DeadLetterEvent>> {
  const below = decodePlaceCursor("event", cursor);
  const values: unknown[] = [limit + 1, below.atMs, below.offset, storableText(below.device), below.kind];
  const conditions = [
    "kind = 'deadLettered'",
    "(at, log_offset, device_id, kind) < (to_timestamp($2::double precision / 1000), $3::bigint, $4, $5)",
  ];
  const also = (condition: string, value: unknown) => {
    if (value === undefined) return;
    values.push(typeof value === "string" ? storableText(value) : value);
    conditions.push(condition.replace("?", `$${values.length}`));
  };
  also("device_id = ?", filter.device);
  also("reason = ?", filter.reason);
  also("rules @> array[?::text]", filter.rule);
  also("type = ?", filter.type);
  also("region = ?", filter.region);
  also("at >= to_timestamp(?::double precision / 1000)", filter.fromMs);
  also("at < to_timestamp(?::double precision / 1000)", filter.toMs);
  const { rows } = await pool.query(
    `select log_offset, device_id, body from device_events where ${conditions.join(" and ")}
     order by at desc, log_offset desc, device_id desc, kind desc limit $1`,
    values,
  );
  const found = rows.map(letterOf);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length <= limit || last === undefined) return { items, next: null };
  const { offset, device, record } = last;
  return { items, next: encodeCursor("event", { atMs: record.atMs, offset, device, kind: record.kind }) };
}

export async function readDeadLetter(
  pool: Pool,
  { device, atMs, offset }: Parameters<FleetIndex["deadLetter"]>[0],
): Promise<DeadLetterEvent | null> {
  const { rows } = await pool.query(
    `select log_offset, device_id, body from device_events
     where kind = 'deadLettered' and device_id = $1 and at = to_timestamp($2::double precision / 1000)
       and log_offset = $3::bigint`,
    [storableText(device), atMs, offset],
  );
  return rows.length === 0 ? null : letterOf(rows[0]);
}

function letterOf(row: { log_offset: string; device_id: string; body: string }): DeadLetterEvent {
  return { offset: Number(row.log_offset), device: row.device_id, record: JSON.parse(row.body) as DeadLettered };
}
