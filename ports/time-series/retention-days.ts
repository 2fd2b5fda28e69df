/**
 * Which days (UTC) of telemetry have a partition of their own, and which are past retention. Pure.
 *
 * R1 A day is past when the whole of it lies before now − keep.
 * R2 A reading goes when its day is past and it arrived before now − keep (S3).
 */
export const dayMs = 24 * 3_600_000;

/** Partitions are made for this many days back: what arrives later still is history. */
const daysBack = 7;
const daysAhead = 2;

export type KeptDays = {
  readonly cutoffMs: number;
  /** Starts of the days that get a partition if they have none, epoch ms. */
  readonly wanted: readonly number[];
  isPast(tsMs: number): boolean;
  /** Name of the partition of that day. */
  nameOf(tsMs: number): string;
};

export function keptDays(nowMs: number, keepMs: number): KeptDays {
  const cutoffMs = nowMs - keepMs;
  const wanted: number[] = [];
  const oldest = startOfDay(Math.max(cutoffMs, nowMs - daysBack * dayMs));
  for (let day = oldest; day <= startOfDay(nowMs) + daysAhead * dayMs; day += dayMs) wanted.push(day);
  return { cutoffMs, wanted, isPast: (tsMs) => startOfDay(tsMs) + dayMs <= cutoffMs, nameOf: partitionName };
}

export function startOfDay(atMs: number): number {
  return Math.floor(atMs / dayMs) * dayMs;
}

/** `telemetry_20251121` */
export function partitionName(dayStartMs: number): string {
  return `telemetry_${new Date(dayStartMs).toISOString().slice(0, 10).replaceAll("-", "")}`;
}

/** The day in the name of a table's partition; null for any other table. */
export function partitionDay(name: string, table = "telemetry"): number | null {
  if (!name.startsWith(`${table}_`)) return null;
  const match = /^(\d{4})(\d\d)(\d\d)$/.exec(name.slice(table.length + 1));
  return match === null ? null : Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
}
