/**
 * The archive as Parquet files in an object store, with its list in PostgreSQL.
 *
 * A write goes: files are made in memory, an intent with their names is committed, the files are put, and one transaction
 * lists them and moves the progress. Whoever finds an open intent writes the same rows again, which gives the same names
 * (P1), so that a file is there already or is put now. Names hold a digest: should another version make other bytes of the
 * same rows, its files have names of their own, and those of the intent that are not listed in the end are deleted.
 */
import { LRUCache } from "lru-cache";
import type { Pool } from "pg";
import { ObjectMissing, type ObjectStore } from "../object-store/port.ts";
import { withAdvisoryLock } from "../postgres/advisory-lock.ts";
import { type Progress, type SeriesReading, type SeriesRow, StaleProgress } from "../time-series/port.ts";
import { storableText } from "../time-series/storable-text.ts";
import { type CatalogueFile, openCatalogue, type Series } from "./catalogue.ts";
import { ReadingColumns } from "./columns.ts";
import { type CompactionSettings, defaultCompaction, deleteRemoved, listed, mergeSmallFiles } from "./compaction.ts";
import { againKey, dayLengthMs, dayOf, fileKey, manifestKey } from "./layout.ts";
import { claimPlace, manifestOf } from "./manifest.ts";
import { mapLimited } from "./map-limited.ts";
import { encodeFileInSteps } from "./parquet-file.ts";
import { openFileReader } from "./parquet-read.ts";
import type { Archive, ArchivedFile, ArchivedRange, SomeRows } from "./port.ts";

export type ParquetArchiveOptions = {
  /** Its own in the database; also its consumer's name. "archive". */
  readonly name?: string;
  readonly compaction?: Partial<CompactionSettings>;
  readonly now?: () => number;
};

/** Objects that are put, or files that are read, at the same time. */
const parallel = 4;
/** Series that are known to be noted. */
const knownSeries = 200_000;

/** Closing it closes neither the pool nor the store. */
export async function openParquetArchive(
  pool: Pool,
  store: ObjectStore,
  { name = "archive", compaction, now = Date.now }: ParquetArchiveOptions = {},
): Promise<Archive> {
  const catalogue = await openCatalogue(pool, name);
  const reader = openFileReader(store);
  const settings = { ...defaultCompaction, ...compaction };
  const parts = { store, catalogue, reader, settings };
  const noted = new LRUCache<string, true>({ max: knownSeries });
  /** The lock of whoever merges, deletes, or adds outside of a log's order. */
  const upkeep = `doppel ${name} upkeep`;
  let claimed: Promise<void> | null = null;
  let manifestState: string | null = null;

  /** Once it worked, it holds. */
  async function claim(): Promise<void> {
    claimed ??= claimPlace(store, name, await catalogue.owner());
    await claimed.catch((error) => {
      claimed = null;
      throw error;
    });
  }

  /** A file for each day, by `key` named. */
  async function encoded(readings: ReadingColumns, key: (dayMs: number, bytes: Uint8Array) => string) {
    const files: { readonly bytes: Uint8Array; readonly listed: CatalogueFile }[] = [];
    for (const [dayMs, ofDay] of daysOf(readings)) {
      const file = await encodeFileInSteps(readings, ofDay);
      files.push({ bytes: file.bytes, listed: listed(key(dayMs, file.bytes), dayMs, file) });
    }
    return files;
  }

  async function putAll(files: Awaited<ReturnType<typeof encoded>>): Promise<void> {
    await mapLimited(files, parallel, ({ bytes, listed: { key } }) => store.put(key, bytes));
  }

  async function write(rows: SomeRows, progress: Progress): Promise<readonly ArchivedFile[]> {
    const { from, to, partition = "" } = progress;
    // Before the work; the transactions look again.
    const [stored, intent] = [await catalogue.progressIn(partition), await catalogue.openIntent(partition)];
    if ((stored !== null && stored !== from) || (intent !== null && (intent.from !== from || intent.to !== to))) {
      const wanted = intent === null ? `at ${stored}` : `${intent.from} to ${intent.to}, which was begun`;
      throw new StaleProgress(`${name} cannot take ${from} to ${to} in ${partition || "the log"}; go on ${wanted}`);
    }
    const readings = ReadingColumns.of(rows);
    const files = await encoded(readings, (dayMs, bytes) => fileKey(dayMs, { partition, from, to }, bytes));
    if (files.length > 0) {
      await claim();
      await catalogue.begin(
        progress,
        files.map(({ listed: { key } }) => key),
      );
      await putAll(files);
    }
    const series = newSeries(readings);
    const list = files.map((file) => file.listed);
    await catalogue.commit(progress, list, series, now());
    for (const one of series) noted.set(seriesId(one), true);
    return list.map(withoutFooter);
  }

  function newSeries({ length, device, metric, devices, metrics }: ReadingColumns): Series[] {
    const pairs = new Set<number>();
    for (let at = 0; at < length; at += 1) pairs.add(device[at]! * metrics.size + metric[at]!);
    const found: Series[] = [];
    for (const pair of pairs) {
      const one = {
        device: devices.text(Math.floor(pair / metrics.size)),
        metric: metrics.text(pair % metrics.size),
      };
      if (!noted.has(seriesId(one))) found.push(one);
    }
    return found;
  }

  async function addAgain(rows: readonly SeriesRow[]): Promise<number> {
    const missing: SeriesRow[] = [];
    for (const [dayMs, ofDay] of Map.groupBy(rows, ({ tsMs }) => dayOf(tsMs))) {
      const there = await rowIdsOf(dayMs, new Set(ofDay.map(({ device }) => storableText(device))));
      for (const row of ofDay) {
        const id = rowId(storableText(row.device), storableText(row.metric), row.tsMs, row.offset);
        if (!there.has(id)) missing.push(row);
        there.add(id);
      }
    }
    if (missing.length === 0) return 0;
    await claim();
    const readings = ReadingColumns.of(missing);
    const files = await encoded(readings, againKey);
    await putAll(files);
    await catalogue.add(
      files.map((file) => file.listed),
      newSeries(readings),
    );
    return missing.length;
  }

  async function rowIdsOf(dayMs: number, devices: ReadonlySet<string>): Promise<Set<string>> {
    const files = await catalogue.files({ fromMs: dayMs, toMs: dayMs + dayLengthMs });
    const ids = new Set<string>();
    for (const file of files) {
      const readings = new ReadingColumns();
      await reader.gather(file, readings);
      for (const { device, metric, tsMs, offset } of readings) {
        if (devices.has(device)) ids.add(rowId(device, metric, tsMs, offset));
      }
    }
    return ids;
  }

  /** Of one day; files that are deleted while we read are in others by now: the list is read again. */
  async function readingsOf(dayMs: number, range: ArchivedRange, known: readonly CatalogueFile[]) {
    for (let files = known, tries = 1; ; tries += 1) {
      try {
        return inOrder((await mapLimited(files, parallel, (file) => reader.readings(file, range))).flat());
      } catch (error) {
        if (!(error instanceof ObjectMissing) || tries === 3) throw error;
        const day = { fromMs: Math.max(dayMs, range.fromMs), toMs: Math.min(dayMs + dayLengthMs, range.toMs) };
        files = await catalogue.files(day, range.device);
      }
    }
  }

  return {
    progressIn: (partition) => catalogue.progressIn(partition),
    async openIntent(partition) {
      const intent = await catalogue.openIntent(partition);
      return intent === null ? null : { from: intent.from, to: intent.to };
    },
    write,
    async writeAgain(rows) {
      let added = 0;
      // One at a time: two that look and then write would both write, and what is deleted must not be found there.
      while (rows.length > 0) {
        const done = await withAdvisoryLock(pool, upkeep, async () => {
          added = await addAgain(rows);
        });
        if (done) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return { added };
    },
    async *readings({ device, metric, fromMs, toMs }) {
      if (!(fromMs < toMs)) return;
      const range = { device: storableText(device), metric: storableText(metric), fromMs, toMs };
      const files = await catalogue.files(range, range.device);
      for (const [dayMs, ofDay] of Map.groupBy(files, (file) => file.dayMs)) {
        const batch = await readingsOf(dayMs, range, ofDay);
        if (batch.length > 0) yield batch;
      }
    },
    metrics: (device) => catalogue.metrics(storableText(device)),
    files: async (range) => (await catalogue.files(range)).map(withoutFooter),
    async compact(nowMs) {
      let merged = 0;
      let deleted = 0;
      await withAdvisoryLock(pool, upkeep, async () => {
        deleted = await deleteRemoved(parts, nowMs);
        merged = await mergeSmallFiles(parts, nowMs);
      });
      return { merged, deleted };
    },
    expire: (beforeMs, nowMs) => catalogue.expire(dayOf(beforeMs), nowMs),
    async writeManifest() {
      const state = await catalogue.state();
      if (state === manifestState || state === "0/0") return;
      await claim();
      // One at a time, or an older list could replace a newer one.
      await withAdvisoryLock(pool, `doppel ${name} manifest`, async () => {
        const listing = await catalogue.state();
        const files = await catalogue.files({ fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY });
        await store.replace(manifestKey, manifestOf(name, store.place, files, now()));
        manifestState = listing;
      });
    },
    async close() {},
  };
}

const seriesId = ({ device, metric }: Series) => `${device}\0${metric}`;
const rowId = (device: string, metric: string, tsMs: number, offset: number) =>
  `${device}\0${metric}\0${tsMs}\0${offset}`;

/** Places of each day's readings. */
function daysOf({ length, tsMs }: ReadingColumns): Map<number, Uint32Array> {
  const days = new Map<number, { readonly places: Uint32Array; count: number }>();
  for (let at = 0; at < length; at += 1) {
    const dayMs = dayOf(tsMs[at]!);
    let day = days.get(dayMs);
    if (day === undefined) {
      // Most often there is one day.
      day = { places: new Uint32Array(length - at), count: 0 };
      days.set(dayMs, day);
    }
    day.places[day.count] = at;
    day.count += 1;
  }
  return new Map([...days].map(([dayMs, { places, count }]) => [dayMs, places.subarray(0, count)]));
}

function inOrder(readings: SeriesReading[]): SeriesReading[] {
  return readings.sort((a, b) => a.tsMs - b.tsMs || a.offset - b.offset);
}

function withoutFooter({ footerBytes: _, ...file }: CatalogueFile): ArchivedFile {
  return file;
}
