/**
 * Writing: rows, the consumer's progress, and what late rows mean for aggregates, in one transaction. Shared by the
 * implementations in PostgreSQL, which differ in their tables.
 */
import type { ClientBase, Pool } from "pg";
import type { Resolution } from "../../core/history/coverage.ts";
import { deviation, merged } from "../../core/history/stats.ts";
import { withConnection } from "../postgres/connection.ts";
import { copyColumns } from "./copy-rows.ts";
import { type AggregateBorders, type DirtyHour, type Gain, lateIn } from "./late-rows.ts";
import { type Progress, RowsRefused, type SeriesRow } from "./port.ts";
import { checkLimits, refusalOf } from "./row-limits.ts";
import { aggregateNames } from "./schema.ts";
import { inTransaction, moveProgress } from "./sink-offsets.ts";
import { enterAsWriter, epochMs, timestamp } from "./state.ts";
import { storableText } from "./storable-text.ts";

export type RowStore = {
  /** Brings rows into `telemetry`, or a table like it. */
  load(client: ClientBase, table: string, rows: readonly SeriesRow[]): Promise<void>;
  /** Where readings go that are too old to be aggregated from `telemetry`. */
  readonly mergeInto: Readonly<Record<Resolution, string>>;
};

const consumer = "timeseries";

export async function writeRows(
  pool: Pool,
  store: RowStore,
  rows: readonly SeriesRow[],
  progress: Progress,
): Promise<void> {
  checkLimits(rows, (reason) => new RowsRefused(reason));
  const attempt = (put: typeof putNew) =>
    inTransaction(pool, async (client) => {
      const borders = await enterAsWriter(client);
      await moveProgress(client, consumer, progress);
      if (rows.length === 0) return;
      await noteLate(client, store, await put(client, store, rows), borders);
    });
  try {
    await attempt(putNew);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === uniqueViolation) await attempt(putMissing).catch(translate);
    else translate(error);
  }
}

/** Rows of hours that are merged only are left out: whether aggregates have them cannot be told from the readings. */
export async function writeRowsAgain(
  pool: Pool,
  store: RowStore,
  rows: readonly SeriesRow[],
): Promise<{ added: number }> {
  try {
    return await inTransaction(pool, async (client) => {
      const borders = await enterAsWriter(client);
      const kept = rows.filter((row) => row.tsMs >= borders.mergeBeforeMs);
      if (kept.length === 0) return { added: 0 };
      const added = await putMissing(client, store, kept);
      await noteLate(client, store, added, borders);
      return { added: added.length };
    });
  } catch (error) {
    return translate(error);
  }
}

/** The rows that PostgreSQL refuses, each with its reason; nothing is written. */
export async function refusedRows(
  pool: Pool,
  store: RowStore,
  rows: readonly SeriesRow[],
): Promise<Map<SeriesRow, string>> {
  return withConnection(pool, async (client, broke) => {
    const refused = new Map<SeriesRow, string>();
    try {
      await client.query("begin");
      await client.query("create temp table telemetry_tried (like telemetry including indexes) on commit drop");
      for (const row of rows) {
        const reason = refusalOf(row);
        if (reason !== null) refused.set(row, reason);
      }
      await halve(rows.filter((row) => !refused.has(row)));
      return refused;
    } finally {
      await client.query("rollback").catch(broke);
    }

    async function halve(some: readonly SeriesRow[]): Promise<void> {
      if (some.length === 0) return;
      await client.query("savepoint tried");
      try {
        await store.load(client, "telemetry_tried", some);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        await client.query("rollback to savepoint tried");
        if (some.length === 1) refused.set(some[0]!, (error as Error).message);
        else for (const half of [some.slice(0, some.length / 2), some.slice(some.length / 2)]) await halve(half);
        return;
      }
      await client.query("rollback to savepoint tried");
    }
  });
}

async function putNew(client: ClientBase, store: RowStore, rows: readonly SeriesRow[]): Promise<readonly SeriesRow[]> {
  await store.load(client, "telemetry", rows);
  return rows;
}

/** Gives the rows that were not there. */
async function putMissing(
  client: ClientBase,
  store: RowStore,
  rows: readonly SeriesRow[],
): Promise<readonly SeriesRow[]> {
  await client.query("create temp table if not exists telemetry_again (like telemetry) on commit drop");
  await store.load(client, "telemetry_again", rows);
  const { rows: added } = await client.query({
    text: `insert into telemetry (${copyColumns}) select ${copyColumns} from telemetry_again on conflict do nothing
      returning device_id, metric, ${epochMs("ts")}, log_offset::double precision`,
    rowMode: "array",
  });
  const keys = new Set(added.map((key) => key.join("\0")));
  // `delete`: of rows that came twice, one is added.
  return rows.filter((row) =>
    keys.delete([storableText(row.device), storableText(row.metric), row.tsMs, row.offset].join("\0")),
  );
}

async function noteLate(
  client: ClientBase,
  store: RowStore,
  rows: readonly SeriesRow[],
  borders: AggregateBorders,
): Promise<void> {
  const late = lateIn(rows, borders);
  if (late === null) return;
  await client.query(
    `insert into telemetry_versions (device_id, version) select id, 1 from unnest($1::text[]) as id
     on conflict (device_id) do update set version = telemetry_versions.version + 1`,
    [late.devices],
  );
  if (late.dirty.length > 0) await invalidate(client, late.dirty);
  for (const resolution of ["minute", "hour"] as const) {
    const gains = late.gains[resolution];
    if (gains.length > 0) await merge(client, store.mergeInto[resolution], gains);
  }
}

async function invalidate(client: ClientBase, dirty: readonly DirtyHour[]): Promise<void> {
  await client.query(
    `insert into telemetry_invalidations (device_id, metric, hour)
     select device, metric, ${timestamp("hour")}
     from unnest($1::text[], $2::text[], $3::double precision[]) as dirty(device, metric, hour)`,
    [dirty.map(({ device }) => device), dirty.map(({ metric }) => metric), dirty.map(({ hourMs }) => hourMs)],
  );
}

/** Added here and not in SQL, whose arithmetic refuses what is beyond a double. */
async function merge(client: ClientBase, table: string, gains: readonly Gain[]): Promise<void> {
  const keys = (some: readonly Gain[]) => [
    some.map(({ device }) => device),
    some.map(({ metric }) => metric),
    some.map(({ startMs }) => startMs),
  ];
  const { rows } = await client.query({
    text: `select n::integer - 1, t.count::double precision, t.avg, t.min, t.max, t.stddev, t.flagged::double precision
      from unnest($1::text[], $2::text[], $3::double precision[]) with ordinality as gain(device, metric, start, n)
      cross join lateral (select * from ${table} where device_id = gain.device and metric = gain.metric
        and window_start = ${timestamp("gain.start")} for update) as t`,
    values: keys(gains),
    rowMode: "array",
  });
  const found = new Map<number, Gain>();
  for (const [n, count, mean, min, max, stddev, flagged] of rows as [number, ...number[]][]) {
    const m2 = stddev! * stddev! * count!;
    const before = { count: count!, mean: mean!, min: min!, max: max!, m2, flagged: flagged! };
    found.set(n, { ...gains[n]!, ...merged(before, gains[n]!) });
  }
  const put = async (statement: string, sums: readonly Gain[]) => {
    if (sums.length === 0) return;
    const { rowCount } = await client.query(statement, [
      ...keys(sums),
      sums.map(({ count }) => count),
      sums.map(({ mean }) => mean),
      sums.map(({ min }) => min),
      sums.map(({ max }) => max),
      sums.map(deviation),
      sums.map(({ flagged }) => flagged),
    ]);
    // Devices come in one partition, whose progress is locked: only a log that is being divided anew leads here.
    if (rowCount !== sums.length) throw new Error(`${table} was changed by another writer; the batch comes again`);
  };
  const sums = `(select device, metric, ${timestamp("start")}, count, avg, min, max, stddev, flagged
    from unnest($1::text[], $2::text[], $3::double precision[], $4::bigint[], $5::double precision[],
      $6::double precision[], $7::double precision[], $8::double precision[], $9::bigint[])
      as sum(device, metric, start, count, avg, min, max, stddev, flagged))`;
  await put(
    `insert into ${table} (${aggregateNames}) ${sums} on conflict do nothing`,
    gains.filter((_, n) => !found.has(n)),
  );
  await put(
    `update ${table} as t
     set count = s.count, avg = s.avg, min = s.min, max = s.max, stddev = s.stddev, flagged = s.flagged
     from ${sums} as s (${aggregateNames})
     where t.device_id = s.device_id and t.metric = s.metric and t.window_start = s.window_start`,
    [...found.values()],
  );
}

const uniqueViolation = "23505";

/** SQLSTATE classes 22 (data), 23 (constraints), 54 (limits): these rows will not be taken later either. */
function isRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^(22|23|54)...$/.test(code);
}

function translate(error: unknown): never {
  if (!isRefusal(error)) throw error;
  throw new RowsRefused(`PostgreSQL refuses a row of the batch: ${(error as Error).message}`, { cause: error });
}
