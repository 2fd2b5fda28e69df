/** Readings as columns, which is how files hold them and how they are merged. */
import { compareKeys } from "../object-store/key.ts";
import type { SeriesRow } from "../time-series/port.ts";
import { storableText } from "../time-series/storable-text.ts";

/** Arrays of the same length, a reading at each index. */
export type ReadingColumns = {
  readonly device: string[];
  readonly metric: string[];
  readonly tsMs: number[];
  readonly value: (number | boolean | string)[];
  readonly flags: (readonly string[] | null)[];
  readonly offset: number[];
  readonly receivedAtMs: number[];
  readonly type: string[];
  readonly region: string[];
  /** JSON of an object of strings, its keys sorted. */
  readonly tags: (string | null)[];
};

export function emptyColumns(): ReadingColumns {
  return {
    ...{ device: [], metric: [], tsMs: [], value: [], flags: [] },
    ...{ offset: [], receivedAtMs: [], type: [], region: [], tags: [] },
  };
}

export function columnsOf(rows: readonly SeriesRow[]): ReadingColumns {
  const columns = emptyColumns();
  const name = remembered(storableText);
  let tags: SeriesRow["tags"] = null;
  let tagsText: string | null = null;
  for (const row of rows) {
    if (row.tags !== tags) {
      tags = row.tags; // the readings of a message share them
      tagsText = tags === null ? null : sortedJson(tags);
    }
    columns.device.push(name(row.device));
    columns.metric.push(name(row.metric));
    columns.tsMs.push(row.tsMs);
    columns.value.push(row.value);
    columns.flags.push(row.flags === null || row.flags.length === 0 ? null : row.flags);
    columns.offset.push(row.offset);
    columns.receivedAtMs.push(row.receivedAtMs);
    columns.type.push(row.type);
    columns.region.push(row.region);
    columns.tags.push(tagsText);
  }
  return columns;
}

export function append(columns: ReadingColumns, more: ReadingColumns): void {
  for (const name of Object.keys(columns) as (keyof ReadingColumns)[]) {
    const target = columns[name] as unknown[];
    for (const value of more[name]) target.push(value);
  }
}

/** Indexes by device, metric (both in the order of their UTF-8), time and offset; equal ones stay in their order. */
export function orderOf({ device, metric, tsMs, offset }: ReadingColumns): Uint32Array {
  const byDevice = new Map<string, Map<string, number[]>>();
  for (let index = 0; index < device.length; index += 1) {
    const byMetric = gotten(byDevice, device[index]!, newMap);
    gotten(byMetric, metric[index]!, newList).push(index);
  }
  const difference = (a: number, b: number) => tsMs[a]! - tsMs[b]! || offset[a]! - offset[b]!;
  const order = new Uint32Array(device.length);
  let at = 0;
  for (const [, byMetric] of inOrder(byDevice)) {
    for (const [, indexes] of inOrder(byMetric)) {
      if (indexes.some((index, place) => place > 0 && difference(indexes[place - 1]!, index) > 0)) {
        indexes.sort(difference);
      }
      order.set(indexes, at);
      at += indexes.length;
    }
  }
  return order;
}

/** The readings at these indexes. */
export function taken(columns: ReadingColumns, indexes: Uint32Array): ReadingColumns {
  const take = <T>(values: readonly T[]): T[] => {
    const found = new Array<T>(indexes.length);
    for (let at = 0; at < indexes.length; at += 1) found[at] = values[indexes[at]!]!;
    return found;
  };
  return {
    device: take(columns.device),
    metric: take(columns.metric),
    tsMs: take(columns.tsMs),
    value: take(columns.value),
    flags: take(columns.flags),
    offset: take(columns.offset),
    receivedAtMs: take(columns.receivedAtMs),
    type: take(columns.type),
    region: take(columns.region),
    tags: take(columns.tags),
  };
}

const newMap = () => new Map<string, number[]>();
const newList = (): number[] => [];

function inOrder<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => compareKeys(a, b));
}

function gotten<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

function remembered(of: (text: string) => string): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => gotten(known, text, () => of(text));
}

/** Deterministic, so that a file that is written again is the same. */
function sortedJson(tags: Readonly<Record<string, string>>): string {
  const entries = Object.entries(tags).sort(([a], [b]) => compareKeys(a, b));
  return JSON.stringify(Object.fromEntries(entries));
}
