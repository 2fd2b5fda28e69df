/** For tests of replays: a log with some of everything, sinks that have taken it, and what is in their tables. */
import type pg from "pg";
import type { TwinRecord } from "../../core/device/records.ts";
import {
  aRegistration,
  cameOnline,
  deadLettered,
  fellSilent,
  requested,
  telemetry,
} from "../../ports/fleet-index/testing.ts";

export const devices = Array.from({ length: 6 }, (_, number) => `pump-${number}`);
const minuteMs = 60_000;

/** Of one device, a few minutes apart, from `startMs` on: registered, online, telemetry with flags and late ones, a command, dead letters. */
export function story(device: string, startMs: number, minutes: number): TwinRecord[] {
  const number = Number(device.split("-")[1]);
  const type = number % 2 === 0 ? "pump" : "valve";
  const records: TwinRecord[] = [
    { kind: "registered", atMs: startMs, registration: aRegistration({ type, createdAtMs: startMs }) },
    cameOnline(startMs + 1),
    requested("c1", startMs + 2),
    { kind: "commandMoved", atMs: startMs + 3, command: "c1", to: "sent" },
  ];
  for (let minute = 0; minute < minutes; minute += 1) {
    const atMs = startMs + minute * minuteMs + number;
    const readings = { temperature: 20 + number + Math.sin(minute), open: minute % 2 === 0, mode: `m${minute % 3}` };
    const flags = minute % 5 === 0 ? { flags: { temperature: ["range"] } } : {};
    records.push({ ...telemetry(atMs, readings), type, region: "eu", ...flags });
    if (minute % 7 === 0) records.push({ ...telemetry(atMs + 1, { late: minute }), tsMs: atMs - 3 * 3_600_000, type });
    if (minute % 6 === 0) records.push(deadLettered("bad-json", atMs + 2));
    if (minute % 4 === 0) records.push({ kind: "seen", atMs: atMs + 3, why: "duplicate" });
  }
  records.push(fellSilent(startMs + minutes * minuteMs));
  return records;
}

/** All stories as one sequence, by time. */
export function fleetStory(
  startMs: number,
  minutes: number,
  of: readonly string[] = devices,
): { device: string; record: TwinRecord }[] {
  return of
    .flatMap((device) => story(device, startMs, minutes).map((record) => ({ device, record })))
    .sort((a, b) => a.record.atMs - b.record.atMs);
}

export const tablesOf = {
  timeseries: ["telemetry"],
  aggregates: ["telemetry_minutes", "telemetry_hours"],
  quality: ["quality_minutes", "quality_rules_minutes", "quality_hours", "quality_rules_hours"],
  fleet: ["devices", "device_events", "commands", "dead_letter_counts"],
} as const;

/** Every row of the tables as sorted text; fractions without the last digits, which depend on the order of an addition. */
export async function dump(
  pool: pg.Pool,
  tables: readonly string[],
  schema = "public",
): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const table of tables) {
    const { rows } = await pool.query<{ row: Row }>(`select to_jsonb(t) as row from ${schema}.${table} as t`);
    const found = rows.map(({ row }) => row);
    const whole = table.startsWith("quality_") ? overParts(found) : found;
    all[table] = whole.map((row) => JSON.stringify(row, rounded)).sort();
  }
  return all;
}

type Row = Record<string, unknown>;

/** Figures of quality add up over the partitions that made them. */
function overParts(rows: readonly Row[]): Row[] {
  const sums = new Map<string, Row>();
  for (const { part: _, ...row } of rows) {
    const key = JSON.stringify(["start_ms", "type", "region", "rule", "outcome"].map((name) => row[name] ?? null));
    const before = sums.get(key);
    const add = ([name, value]: [string, unknown]) => {
      if (before === undefined || typeof value !== "number" || name === "start_ms") return [name, value];
      const other = before[name] as number;
      return [name, /max|newest/.test(name) ? Math.max(other, value) : other + value];
    };
    sums.set(key, Object.fromEntries(Object.entries(row).map(add)));
  }
  return [...sums.values()];
}

/** For JSON.stringify: fractions without the last digits. */
export function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value;
}
