/**
 * Merges the small files of a day into larger ones. Every file is merged a few times at most: what has reached half of the
 * size that is aimed at stays as it is.
 *
 * M1 A merge's inputs are fixed before its file is stored; after a crash the same inputs are merged again.
 * M2 Files taken off the list stay readable for `graceMs`, for those who got the list before.
 */
import type { ObjectStore } from "../object-store/port.ts";
import type { Catalogue, CatalogueFile } from "./catalogue.ts";
import { ReadingColumns } from "./columns.ts";
import { dayLengthMs, mergedKey } from "./layout.ts";
import { type EncodedFile, encodeFileInSteps } from "./parquet-file.ts";
import type { FileReader } from "./parquet-read.ts";

export type CompactionSettings = {
  /** Rows that a merged file has at most; one that has half of them is not merged any more. */
  readonly targetRows: number;
  /** So many small files of a day that may still get more are merged; of a day that is over, two. */
  readonly filesOfOpenDay: number;
  readonly graceMs: number;
};

export const defaultCompaction: CompactionSettings = {
  targetRows: 500_000,
  filesOfOpenDay: 12,
  graceMs: 900_000,
};

/** A day is over some time after its end: devices keep what they could not send for a while. */
const lateMs = 3_600_000;

type Parts = {
  readonly store: ObjectStore;
  readonly catalogue: Catalogue;
  readonly reader: FileReader;
  readonly settings: CompactionSettings;
};

/** For one at a time. Gives how many files were merged into others. */
export async function mergeSmallFiles(parts: Parts, nowMs: number): Promise<number> {
  const { catalogue, settings } = parts;
  let merged = 0;
  for (const { dayMs, inputs } of await catalogue.openMerges()) merged += await merge(parts, dayMs, inputs, nowMs); // M1
  const everything = await catalogue.files({ fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY });
  for (const [dayMs, files] of Map.groupBy(everything, (file) => file.dayMs)) {
    const isOver = nowMs >= dayMs + dayLengthMs + lateMs;
    for (const inputs of merges(files, settings, isOver)) merged += await merge(parts, dayMs, inputs, nowMs);
  }
  return merged;
}

/** Keys of the files that become one, for each file that is to be made. */
export function merges(
  files: readonly Pick<CatalogueFile, "key" | "rows">[],
  { targetRows, filesOfOpenDay }: CompactionSettings,
  isOver: boolean,
): string[][] {
  const small = files.filter(({ rows }) => rows < targetRows / 2);
  if (small.length < (isOver ? 2 : filesOfOpenDay)) return [];
  const found: string[][] = [];
  let inputs: string[] = [];
  let rows = 0;
  for (const file of small) {
    if (rows + file.rows > targetRows) {
      found.push(inputs);
      inputs = [];
      rows = 0;
    }
    inputs.push(file.key);
    rows += file.rows;
  }
  found.push(inputs);
  return found.filter(({ length }) => length > 1);
}

async function merge(parts: Parts, dayMs: number, inputs: readonly string[], nowMs: number): Promise<number> {
  const { catalogue, store, reader } = parts;
  const days = await catalogue.files({ fromMs: dayMs, toMs: dayMs + dayLengthMs });
  const files = inputs.map((key) => days.find((file) => file.key === key));
  if (files.includes(undefined)) {
    await catalogue.endMerge({ dayMs, inputs }, null, nowMs); // one expired meanwhile
    return 0;
  }
  const columns = new ReadingColumns();
  for (const file of files) await reader.gather(file!, columns);
  const encoded = await encodeFileInSteps(columns);
  const key = mergedKey(dayMs, encoded.bytes);
  await catalogue.beginMerge({ dayMs, inputs, keys: [key] });
  await store.put(key, encoded.bytes);
  const swapped = await catalogue.endMerge({ dayMs, inputs }, listed(key, dayMs, encoded), nowMs);
  return swapped ? inputs.length : 0;
}

/** Deletes what was taken off the list longer ago than the grace (M2). */
export async function deleteRemoved({ store, catalogue, settings }: Parts, nowMs: number): Promise<number> {
  const keys = await catalogue.removedBefore(nowMs - settings.graceMs);
  for (const key of keys) {
    await store.delete(key);
    await catalogue.forget([key]);
  }
  return keys.length;
}

export function listed(key: string, dayMs: number, encoded: EncodedFile): CatalogueFile {
  const { bytes, ...rest } = encoded;
  return { key, dayMs, bytes: bytes.length, ...rest };
}
