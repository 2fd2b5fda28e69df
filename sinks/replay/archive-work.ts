/** Parquet from the log once more: what is missing of the running system's archive, or a new archive of its own. */
import { join } from "node:path";
import type { Pool } from "pg";
import { forgetMissingFiles } from "../../ports/archive/missing.ts";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import type { Archive } from "../../ports/archive/port.ts";
import type { ObjectStore } from "../../ports/object-store/port.ts";
import { openStore } from "../../ports/object-store/settings.ts";
import type { SeriesRow } from "../../ports/time-series/port.ts";
import { archiveTarget } from "../archive/run.ts";
import type { ArchiveSettings } from "../settings.ts";
import { readingsIn, rowsOf } from "../timeseries/fold.ts";
import { freshWork } from "./fresh-work.ts";
import { BadPlace } from "./place.ts";
import type { ReplayWork } from "./run.ts";

export type OpenedArchiveWork = { readonly work: ReplayWork; close(): Promise<void> };

/**
 * @param pool of the schema that has, or gets, the list of files
 * @param into null: the running system's archive
 */
export async function openArchiveWork(
  settings: ArchiveSettings | null,
  { pool, into, now }: { pool: Pool; into: string | null; now: () => number },
): Promise<OpenedArchiveWork> {
  if (settings === null) throw new BadPlace("There is no archive to replay into: DOPPEL_ARCHIVE says off.");
  const place = into === null ? settings.place : placeWithin(settings.place, into);
  const store = await openStore({ ...settings, place });
  try {
    const archive = await openParquetArchive(pool, store, { now });
    const close = async () => {
      await archive.close();
      await store.close();
    };
    if (into === null) return { work: missingWork(pool, archive, store, settings.maxRows, now), close };
    const target = archiveTarget(archive, { ...settings, retentionDays: null, now });
    const finish = async () => {
      await archive.writeManifest();
      const files = await archive.files({ fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY });
      return `${files.length === 1 ? "1 file is" : `${files.length} files are`} in ${store.place}.`;
    };
    return { work: freshWork(target, { pool, place: into, finish, now }), close };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Beside the running archive's own folders. */
export function placeWithin(place: string, name: string): string {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(place)) return join(place, "replay", name);
  return `${place.replace(/\/+$/, "")}/replay/${name}`;
}

/** Readings that no listed file has get new files; listed files that are gone are taken off the list first. */
function missingWork(pool: Pool, archive: Archive, store: ObjectStore, maxRows: number, now: () => number): ReplayWork {
  let gone = 0;
  let looked = 0;
  let added = 0;
  // A day is read once for many rows, so they are gathered.
  const held = new Map<string, { rows: SeriesRow[]; from: number; to: number }>();

  async function look(partition: string): Promise<void> {
    const some = held.get(partition);
    if (some === undefined) return;
    const outcome = await archive.writeAgain(some.rows);
    added += outcome.added; // not `+= await`: partitions come side by side
    looked += some.rows.length;
    held.set(partition, { rows: [], from: some.to, to: some.to });
  }

  return {
    topics: ["iot-telemetry"],
    weigh: readingsIn,
    sinkProgress: (partition) => archive.progressIn(partition),
    storedIn: async (partition) => held.get(partition)?.from ?? null,
    async begin() {
      gone = (await forgetMissingFiles(pool, archive, store)).length;
    },
    async take(items, { partition, from, to }) {
      const some = held.get(partition) ?? { rows: [], from, to };
      held.set(partition, { rows: some.rows.concat(rowsOf(items)), from: some.from, to });
      if (held.get(partition)!.rows.length >= maxRows) await look(partition);
    },
    async finish() {
      for (const partition of held.keys()) await look(partition);
      await archive.compact(now());
      await archive.writeManifest();
      const lost = gone === 0 ? "" : gone === 1 ? " 1 file was gone." : ` ${gone} files were gone.`;
      return `${looked} readings looked at, ${added} were missing and are there again.${lost}`;
    },
  };
}
