/**
 * Which files the archive has: in PostgreSQL, in the transactions that move the consumer's progress.
 *
 * K1 A file is listed in the transaction that moves the progress past its rows, or (merged) takes others off the list.
 * K2 Of a partition at most one intent is open, it begins at the progress, and nothing moves the progress but its end.
 * K3 What was taken off the list is kept in `archive_removed` until its object is deleted.
 */
import type { ClientBase, Pool } from "pg";
import { type Progress, StaleProgress } from "../time-series/port.ts";
import { ensureSchema, inTransaction, moveProgress, readProgress } from "../time-series/sink-offsets.ts";
import type { ArchivedFile } from "./port.ts";

export type CatalogueFile = ArchivedFile & { readonly footerBytes: number };
export type Series = { readonly device: string; readonly metric: string };
/** Files of a day that become one. */
export type Merge = { readonly dayMs: number; readonly inputs: readonly string[]; readonly keys: readonly string[] };
type Range = { readonly fromMs: number; readonly toMs: number };

const ddl = `
  create table if not exists archive_owners (archive text primary key, id uuid not null default gen_random_uuid());
  create table if not exists archive_files (
    archive text not null, key text not null, day_ms bigint not null, rows bigint not null, bytes bigint not null,
    footer_bytes integer not null, first_device text collate "C" not null, last_device text collate "C" not null,
    first_ts_ms bigint not null, last_ts_ms bigint not null, schema_version integer not null,
    id bigint generated always as identity, primary key (archive, key));
  create index if not exists archive_files_day on archive_files (archive, day_ms);
  create table if not exists archive_series (
    archive text not null, device text collate "C" not null, metric text collate "C" not null,
    primary key (archive, device, metric));
  create table if not exists archive_intents (
    archive text not null, partition text not null, from_offset bigint not null, to_offset bigint not null,
    keys text[] not null, primary key (archive, partition));
  create table if not exists archive_merges (
    archive text not null, day_ms bigint not null, inputs text[] not null, keys text[] not null,
    primary key (archive, day_ms));
  create table if not exists archive_removed (
    archive text not null, key text not null, removed_at_ms bigint not null, primary key (archive, key));
`;

export type Catalogue = Awaited<ReturnType<typeof openCatalogue>>;

/** @param archive its name, and its consumer's in `sink_offsets` */
export async function openCatalogue(pool: Pool, archive: string) {
  await ensureSchema(pool, archive, ddl);
  const inPartition = (partition: string) => [archive, partition];

  async function openIntent(client: Pool | ClientBase, partition: string) {
    const { rows } = await client.query(
      "select from_offset, to_offset, keys from archive_intents where archive = $1 and partition = $2",
      inPartition(partition),
    );
    if (rows.length === 0) return null;
    return { from: Number(rows[0].from_offset), to: Number(rows[0].to_offset), keys: rows[0].keys as string[] };
  }

  async function list(client: ClientBase, files: readonly CatalogueFile[]): Promise<void> {
    for (const file of files) {
      await client.query("insert into archive_files values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", [
        ...[archive, file.key, file.dayMs, file.rows, file.bytes, file.footerBytes],
        ...[file.firstDevice, file.lastDevice, file.firstTsMs, file.lastTsMs, file.schemaVersion],
      ]);
      // A name that comes again after it was removed is a file again.
      await client.query("delete from archive_removed where archive = $1 and key = $2", [archive, file.key]);
    }
  }

  async function note(client: ClientBase, series: readonly Series[]): Promise<void> {
    if (series.length === 0) return;
    // Sorted: two writers of the same ones wait for each other in one order.
    await client.query(
      `insert into archive_series select $1, * from unnest($2::text[], $3::text[]) as s (device, metric)
       order by s.device collate "C", s.metric collate "C" on conflict do nothing`,
      [archive, series.map(({ device }) => device), series.map(({ metric }) => metric)],
    );
  }

  async function remove(client: ClientBase, keys: readonly string[], nowMs: number): Promise<void> {
    await client.query(
      "insert into archive_removed select $1, key, $3::bigint from unnest($2::text[]) as k (key) on conflict do nothing",
      [archive, keys, nowMs],
    );
  }

  return {
    progressIn: (partition: string) => readProgress(pool, archive, partition),
    openIntent: (partition: string) => openIntent(pool, partition),

    async owner(): Promise<string> {
      await pool.query("insert into archive_owners (archive) values ($1) on conflict do nothing", [archive]);
      return (await pool.query("select id from archive_owners where archive = $1", [archive])).rows[0].id;
    },

    /** Opens an intent, or joins the open one of the same range (K2). */
    begin: (progress: Progress, keys: readonly string[]) =>
      inTransaction(pool, async (client) => {
        const { from, to, partition = "" } = progress;
        await client.query(
          "insert into sink_offsets (consumer, partition, next_offset) values ($1, $2, $3) on conflict do nothing",
          [...inPartition(partition), from],
        );
        const { rows } = await client.query(
          "select next_offset from sink_offsets where consumer = $1 and partition = $2 for update",
          inPartition(partition),
        );
        if (Number(rows[0].next_offset) !== from) throw stale(archive, progress, `it stands at ${rows[0].next_offset}`);
        const joined = await client.query(
          `insert into archive_intents values ($1, $2, $3, $4, $5) on conflict (archive, partition) do update
           set keys = array(select distinct unnest(archive_intents.keys || excluded.keys) order by 1)
           where archive_intents.from_offset = $3 and archive_intents.to_offset = $4`,
          [...inPartition(partition), from, to, keys],
        );
        if (joined.rowCount !== 1)
          throw stale(archive, progress, "another range of it was begun and must be ended first");
      }),

    /** Lists the files of an intent and moves the progress. What else was stored for it is removed. */
    commit: (progress: Progress, files: readonly CatalogueFile[], series: readonly Series[], nowMs: number) =>
      inTransaction(pool, async (client) => {
        const { partition = "" } = progress;
        await moveProgress(client, archive, progress);
        const intent = await openIntent(client, partition);
        const ours = intent === null || (intent.from === progress.from && intent.to === progress.to);
        if (!ours || (intent === null && files.length > 0)) {
          throw stale(archive, progress, "another range of it was begun and must be ended first");
        }
        await client.query("delete from archive_intents where archive = $1 and partition = $2", inPartition(partition));
        await list(client, files);
        await note(client, series);
        const listed = new Set(files.map(({ key }) => key));
        await remove(client, intent?.keys.filter((key) => !listed.has(key)) ?? [], nowMs);
      }),

    /** Lists files of no log's range. A file that is listed already stays as it is. */
    add: (files: readonly CatalogueFile[], series: readonly Series[]) =>
      inTransaction(pool, async (client) => {
        const { rows } = await client.query("select key from archive_files where archive = $1 and key = any($2)", [
          ...[archive, files.map(({ key }) => key)],
        ]);
        const listed = new Set(rows.map(({ key }) => key));
        await list(
          client,
          files.filter(({ key }) => !listed.has(key)),
        );
        await note(client, series);
      }),

    async openMerges(): Promise<Merge[]> {
      const { rows } = await pool.query("select day_ms, inputs, keys from archive_merges where archive = $1", [
        archive,
      ]);
      return rows.map(({ day_ms, inputs, keys }) => ({ dayMs: Number(day_ms), inputs, keys }));
    },

    beginMerge: ({ dayMs, inputs, keys }: Merge) =>
      pool.query(
        `insert into archive_merges values ($1, $2, $3, $4) on conflict (archive, day_ms) do update
         set keys = array(select distinct unnest(archive_merges.keys || excluded.keys))`,
        [archive, dayMs, inputs, keys],
      ),

    /** Puts `file` in the place of the merge's inputs. Gives false, and changes nothing, where one is listed no more. */
    endMerge: ({ dayMs, inputs }: Pick<Merge, "dayMs" | "inputs">, file: CatalogueFile | null, nowMs: number) =>
      inTransaction(pool, async (client) => {
        const ended = await client.query(
          "delete from archive_merges where archive = $1 and day_ms = $2 and inputs = $3 returning keys",
          [archive, dayMs, inputs],
        );
        if (ended.rowCount === 0) return false;
        const { rows } = await client.query(
          "select key from archive_files where archive = $1 and key = any($2) for update",
          [archive, inputs],
        );
        const stored: string[] = ended.rows[0].keys;
        const whole = rows.length === inputs.length && file !== null;
        if (whole) {
          await client.query("delete from archive_files where archive = $1 and key = any($2)", [archive, inputs]);
          await remove(client, inputs, nowMs);
          await list(client, [file]);
        }
        await remove(
          client,
          stored.filter((key) => !whole || key !== file.key),
          nowMs,
        );
        return whole;
      }),

    expire: (beforeMs: number, nowMs: number) =>
      inTransaction(pool, async (client) => {
        const { rows } = await client.query(
          "delete from archive_files where archive = $1 and day_ms < $2 returning key",
          [archive, beforeMs],
        );
        const keys = rows.map(({ key }) => key as string);
        await remove(client, keys, nowMs);
        return keys.length;
      }),

    async removedBefore(ms: number): Promise<string[]> {
      const { rows } = await pool.query("select key from archive_removed where archive = $1 and removed_at_ms < $2", [
        ...[archive, ms],
      ]);
      return rows.map(({ key }) => key);
    },

    forget: (keys: readonly string[]) =>
      pool.query("delete from archive_removed where archive = $1 and key = any($2)", [archive, keys]),

    /** Of the days that the range touches; with a device, those that may hold it. */
    async files({ fromMs, toMs }: Range, device: string | null = null): Promise<CatalogueFile[]> {
      const { rows } = await pool.query(
        `select * from archive_files where archive = $1 and day_ms > $2::bigint - 86400000 and day_ms < $3::bigint
           and first_ts_ms < $3::bigint and last_ts_ms >= $2::bigint
           and ($4::text is null or (first_device <= $4 and last_device >= $4)) order by day_ms, key collate "C"`,
        [archive, bound(fromMs), bound(toMs), device],
      );
      return rows.map(fileOf);
    },

    /** Changes whenever the list does. */
    async state(): Promise<string> {
      const { rows } = await pool.query(
        "select count(*) as files, max(id) as newest from archive_files where archive = $1",
        [archive],
      );
      return `${rows[0].files}/${rows[0].newest ?? 0}`;
    },

    async metrics(device: string): Promise<string[]> {
      const { rows } = await pool.query(
        "select metric from archive_series where archive = $1 and device = $2 order by metric",
        [archive, device],
      );
      return rows.map(({ metric }) => metric);
    },
  };
}

function stale(archive: string, { from, to, partition }: Progress, why: string): StaleProgress {
  const place = partition === undefined ? "" : ` in ${partition}`;
  return new StaleProgress(`${archive} cannot take ${from} to ${to}${place}: ${why}`);
}

/** What a bigint can hold. */
function bound(ms: number): number {
  return Math.trunc(Math.max(-1e16, Math.min(1e16, ms)));
}

// biome-ignore lint/suspicious/noExplicitAny: a row of pg
function fileOf(row: any): CatalogueFile {
  return {
    key: row.key,
    dayMs: Number(row.day_ms),
    rows: Number(row.rows),
    bytes: Number(row.bytes),
    footerBytes: row.footer_bytes,
    firstDevice: row.first_device,
    lastDevice: row.last_device,
    firstTsMs: Number(row.first_ts_ms),
    lastTsMs: Number(row.last_ts_ms),
    schemaVersion: row.schema_version,
  };
}
