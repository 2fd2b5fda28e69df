/**
 * Readings of a fleet for the questions of queries.ts: rows are made by PostgreSQL in place, with the aggregates that a
 * refresh would make of them, and what the time series no longer has by the archive's own writer. In the order of time, as
 * sinks write: a device's readings are apart from each other on the disk.
 */
import type pg from "pg";
import type { Archive } from "../../ports/archive/port.ts";
import type { SeriesRow, TimeSeries } from "../../ports/time-series/port.ts";

const second = 1_000;
const hour = 3_600 * second;
const day = 24 * hour;

/** Readings are kept for so long; older ones are in the archive. */
export const rawDays = 30;
/** How often its devices send: device-0 each second, the next ones each minute, all others each half hour. */
export const kinds = { second: 1, minute: 19 } as const;
export const probes = kinds.second + kinds.minute;
export const nameOf = (number: number) => `device-${number}`;

export type Fleet = { readonly nowMs: number; readonly devices: number; readonly days: number };

const everySeconds = (device: number) => (device < kinds.second ? 1 : device < probes ? 60 : 1_800);
/** In SQL and here, so that both sources have the same readings. */
const valueSql = "20 + 5 * sin(extract(epoch from ts)::double precision / 3600)";
const valueAt = (tsMs: number) => 20 + 5 * Math.sin(tsMs / hour);
const at = (ms: number) => `to_timestamp(${ms / 1_000})`;

/** The day from which on the time series has readings. */
export function rawFromOf({ nowMs }: Fleet): number {
  return Math.floor((nowMs - rawDays * day) / day) * day;
}

export async function makeRows(pool: pg.Pool, series: TimeSeries, fleet: Fleet): Promise<void> {
  const { nowMs, days } = fleet;
  const retention = {
    ...{ keepMs: 400 * day, keepMsOf: new Map<string, number>() },
    keepAggregatesMs: { minute: 400 * day, hour: 3_650 * day },
  };
  // Partitions are made around the time of the call: days of readings, months of aggregates.
  const rawFromMs = rawFromOf(fleet);
  for (let ago = days; ago >= 0; ago -= ago > rawDays + 2 ? 5 : 1) await series.maintain(nowMs - ago * day, retention);
  const aggregatedToMs = Math.floor(nowMs / hour) * hour;
  const statements = [
    ...pieces(rawFromMs, nowMs, day).map((piece) => readingsIn(fleet, piece)),
    ...(["telemetry_minutes", "telemetry_hours"] as const).flatMap((table) =>
      pieces(Math.floor((nowMs - days * day) / hour) * hour, aggregatedToMs, 10 * day).map((piece) =>
        aggregatesIn(fleet, table, piece),
      ),
    ),
  ];
  await inTwos(statements, (statement) => pool.query(statement));
  await pool.query(
    `update telemetry_state set threshold = ${at(aggregatedToMs)}, minutes_to = ${at(aggregatedToMs)},
       aggregated_to = ${at(aggregatedToMs)}, merge_before = ${at(rawFromMs)}, raw_from = ${at(rawFromMs)}`,
  );
  await inTwos(["telemetry", "telemetry_minutes", "telemetry_hours"], (table) => pool.query(`vacuum analyze ${table}`));
  await pool.query("checkpoint");
}

type Piece = { readonly fromMs: number; readonly toMs: number };

function pieces(fromMs: number, toMs: number, lengthMs: number): Piece[] {
  const all: Piece[] = [];
  for (let atMs = fromMs; atMs < toMs; atMs += lengthMs)
    all.push({ fromMs: atMs, toMs: Math.min(toMs, atMs + lengthMs) });
  return all;
}

/** Devices of each kind with their times, of which the outer loop goes over the times. */
function timesOf({ devices }: Fleet, { fromMs, toMs }: Piece, leastSeconds: number): string {
  const groups = [
    [0, kinds.second],
    [kinds.second, probes],
    [probes, devices],
  ] as const;
  return groups
    .map(([from, to]) => {
      const step = Math.max(leastSeconds, everySeconds(from));
      return `select ts, d, ${step / everySeconds(from)} as count
        from generate_series(${at(fromMs)}, ${at(toMs - 1)}, interval '${step} seconds') as ts,
          generate_series(${from}, ${to - 1}) as d`;
    })
    .join(" union all ");
}

function readingsIn(fleet: Fleet, piece: Piece): string {
  return `insert into telemetry (device_id, metric, ts, received_at, log_offset, value)
    select 'device-' || d, 'temperature', ts, ts, extract(epoch from ts)::bigint, ${valueSql}
    from (${timesOf(fleet, piece, 1)}) as times order by ts`;
}

function aggregatesIn(fleet: Fleet, table: "telemetry_minutes" | "telemetry_hours", piece: Piece): string {
  return `insert into ${table} (device_id, metric, window_start, count, avg, min, max, stddev, flagged)
    select 'device-' || d, 'temperature', ts, count, ${valueSql}, ${valueSql} - 0.1, ${valueSql} + 0.1, 0.05, 0
    from (${timesOf(fleet, piece, table === "telemetry_minutes" ? 60 : 3_600)}) as times order by ts`;
}

/** This machine and CI's have two processors. */
async function inTwos<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  await Promise.all(
    [1, 2].map(async () => {
      for (const item of left) await work(item);
    }),
  );
}

/** What the time series no longer has, and its oldest day: a file a day. */
export async function makeArchive(archive: Archive, fleet: Fleet): Promise<void> {
  const toMs = rawFromOf(fleet) + day;
  let offset = 0;
  for (let dayMs = Math.floor((fleet.nowMs - fleet.days * day) / day) * day; dayMs < toMs; dayMs += day) {
    const rows: SeriesRow[] = [];
    for (let device = 0; device < fleet.devices; device += 1) {
      const about = {
        device: nameOf(device),
        metric: "temperature",
        tags: null,
        flags: null,
        type: "default",
        region: "",
      };
      const stepMs = everySeconds(device) * second;
      for (let tsMs = dayMs; tsMs < dayMs + day; tsMs += stepMs)
        rows.push({ ...about, tsMs, value: valueAt(tsMs), receivedAtMs: tsMs, offset: tsMs / second });
    }
    await archive.write(rows, { from: offset, to: offset + rows.length });
    offset += rows.length;
  }
}
