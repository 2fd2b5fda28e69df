/**
 * Readings as columns, which is how they are gathered for a file, how files hold them and how they are merged: typed arrays,
 * and each name, tag and text once. A reading costs no object, so that hundreds of thousands can wait for their file.
 */
import { compareKeys } from "../object-store/key.ts";
import type { SeriesRow } from "../time-series/port.ts";
import { storableText } from "../time-series/storable-text.ts";
import { Distinct } from "./distinct.ts";

/** What the readings of a message have in common. */
export type MessageOfReadings = Omit<SeriesRow, "metric" | "value" | "flags">;

/** What a value is; booleans and texts are numbers in `value`: 0 or 1, or that of the text. */
export const valueKinds = { number: 0, boolean: 1, text: 2 } as const;

/** In columns that may be null. */
export const none = 0xffff_ffff;

const firstCapacity = 1_024;

/** The arrays have room for more readings than the `length` that there are. What has names or texts has their numbers. */
export class ReadingColumns implements Iterable<SeriesRow> {
  /** In the order in which they came. */
  readonly devices = new Distinct(storableText);
  readonly metrics = new Distinct(storableText);
  readonly types = new Distinct();
  readonly regions = new Distinct();
  readonly texts = new Distinct();
  /** JSON of objects of strings, their keys sorted. */
  readonly tagTexts = new Distinct((json) => sortedJson(JSON.parse(json)));
  /** JSON of lists of strings. */
  readonly flagTexts = new Distinct();

  device = new Uint32Array(firstCapacity);
  metric = new Uint32Array(firstCapacity);
  tsMs = new Float64Array(firstCapacity);
  kind = new Uint8Array(firstCapacity);
  value = new Float64Array(firstCapacity);
  flags = new Uint32Array(firstCapacity);
  offset = new Float64Array(firstCapacity);
  receivedAtMs = new Float64Array(firstCapacity);
  type = new Uint32Array(firstCapacity);
  region = new Uint32Array(firstCapacity);
  tags = new Uint32Array(firstCapacity);

  #length = 0;
  /** Of the message that was begun. */
  #device = 0;
  #tsMs = 0;
  #offset = 0;
  #receivedAtMs = 0;
  #type = 0;
  #region = 0;
  #tags = none;

  static of(rows: Iterable<SeriesRow>): ReadingColumns {
    if (rows instanceof ReadingColumns) return rows;
    const columns = new ReadingColumns();
    columns.addAll(rows);
    return columns;
  }

  get length(): number {
    return this.#length;
  }

  /** The readings that follow are of this message. */
  begin({ device, tsMs, offset, receivedAtMs, type, region, tags }: MessageOfReadings): void {
    this.#device = this.devices.number(device);
    this.#tsMs = tsMs;
    this.#offset = offset;
    this.#receivedAtMs = receivedAtMs;
    this.#type = this.types.number(type);
    this.#region = this.regions.number(region);
    this.#tags = tags === null ? none : this.tagTexts.number(JSON.stringify(tags));
  }

  /** Of the message that was begun. */
  add(metric: string, value: SeriesRow["value"], flags: SeriesRow["flags"]): void {
    const at = this.#length;
    if (at === this.device.length) this.#grow();
    this.device[at] = this.#device;
    this.metric[at] = this.metrics.number(metric);
    this.tsMs[at] = this.#tsMs;
    if (typeof value === "number") {
      this.kind[at] = valueKinds.number;
      this.value[at] = value;
    } else if (typeof value === "boolean") {
      this.kind[at] = valueKinds.boolean;
      this.value[at] = value ? 1 : 0;
    } else {
      this.kind[at] = valueKinds.text;
      this.value[at] = this.texts.number(value);
    }
    this.flags[at] = flags === null || flags.length === 0 ? none : this.flagTexts.number(JSON.stringify(flags));
    this.offset[at] = this.#offset;
    this.receivedAtMs[at] = this.#receivedAtMs;
    this.type[at] = this.#type;
    this.region[at] = this.#region;
    this.tags[at] = this.#tags;
    this.#length = at + 1;
  }

  addAll(rows: Iterable<SeriesRow>): void {
    let last: SeriesRow | null = null;
    for (const row of rows) {
      if (last === null || !areOfOneMessage(last, row)) this.begin(row);
      this.add(row.metric, row.value, row.flags);
      last = row;
    }
  }

  /** @param at below `length` */
  row(at: number): SeriesRow {
    const [flags, tags] = [this.flags[at]!, this.tags[at]!];
    return {
      ...{ device: this.devices.text(this.device[at]!), metric: this.metrics.text(this.metric[at]!) },
      ...{ tsMs: this.tsMs[at]!, value: this.#valueAt(at), offset: this.offset[at]! },
      ...{ receivedAtMs: this.receivedAtMs[at]!, type: this.types.text(this.type[at]!) },
      region: this.regions.text(this.region[at]!),
      flags: flags === none ? null : (JSON.parse(this.flagTexts.text(flags)) as string[]),
      tags: tags === none ? null : (JSON.parse(this.tagTexts.text(tags)) as Record<string, string>),
    };
  }

  *[Symbol.iterator](): Iterator<SeriesRow> {
    for (let at = 0; at < this.#length; at += 1) yield this.row(at);
  }

  /** How many have a smaller offset, where offsets grow. */
  countBefore(offset: number): number {
    const end = this.offset.subarray(0, this.#length).findIndex((other) => other >= offset);
    return end < 0 ? this.#length : end;
  }

  /** A copy of those of [from, to). */
  part(from: number, to: number): ReadingColumns {
    const part = new ReadingColumns();
    for (let at = from; at < to; at += 1) {
      const row = this.row(at);
      part.begin(row);
      part.add(row.metric, row.value, row.flags);
    }
    return part;
  }

  #valueAt(at: number): SeriesRow["value"] {
    const value = this.value[at]!;
    if (this.kind[at] === valueKinds.number) return value;
    return this.kind[at] === valueKinds.boolean ? value === 1 : this.texts.text(value);
  }

  #grow(): void {
    const larger = <T extends Uint8Array | Uint32Array | Float64Array>(column: T): T => {
      const grown = new (column.constructor as new (length: number) => T)(column.length * 2);
      grown.set(column);
      return grown;
    };
    this.device = larger(this.device);
    this.metric = larger(this.metric);
    this.tsMs = larger(this.tsMs);
    this.kind = larger(this.kind);
    this.value = larger(this.value);
    this.flags = larger(this.flags);
    this.offset = larger(this.offset);
    this.receivedAtMs = larger(this.receivedAtMs);
    this.type = larger(this.type);
    this.region = larger(this.region);
    this.tags = larger(this.tags);
  }
}

function areOfOneMessage(a: SeriesRow, b: SeriesRow): boolean {
  const isSameTime = a.offset === b.offset && a.tsMs === b.tsMs && a.receivedAtMs === b.receivedAtMs;
  return isSameTime && a.device === b.device && a.tags === b.tags && a.type === b.type && a.region === b.region;
}

/**
 * Indexes by device, metric (both in the order of their UTF-8), time and offset; equal ones stay in their order.
 *
 * @param among of these only; all, where it is absent
 */
export function orderOf(readings: ReadingColumns, among: Uint32Array = every(readings.length)): Uint32Array {
  const { device, metric, tsMs, offset } = readings;
  const byMetric = sortedBy(among, metric, ranksOf(readings.metrics));
  const order = sortedBy(byMetric, device, ranksOf(readings.devices));
  const difference = (a: number, b: number) => tsMs[a]! - tsMs[b]! || offset[a]! - offset[b]!;
  for (let from = 0, to = 0; from < order.length; from = to) {
    const first = order[from]!;
    let isSorted = true;
    for (to = from + 1; to < order.length; to += 1) {
      const next = order[to]!;
      if (device[next] !== device[first] || metric[next] !== metric[first]) break;
      if (isSorted && difference(order[to - 1]!, next) > 0) isSorted = false;
    }
    if (!isSorted) order.subarray(from, to).sort(difference);
  }
  return order;
}

function every(length: number): Uint32Array {
  const indexes = new Uint32Array(length);
  for (let at = 0; at < length; at += 1) indexes[at] = at;
  return indexes;
}

/** By number: the place of its text among all of them. */
function ranksOf(distinct: Distinct): Uint32Array {
  const ranks = new Uint32Array(distinct.size);
  const numbers = Array.from(ranks.keys());
  // Most often they are ASCII, where the order of UTF-16 is the same and costs no bytes.
  const isPlain = numbers.every((number) => !/[\ud800-\uffff]/.test(distinct.text(number)));
  const compare = isPlain ? (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0) : compareKeys;
  numbers.sort((a, b) => compare(distinct.text(a), distinct.text(b)));
  for (const [rank, number] of numbers.entries()) ranks[number] = rank;
  return ranks;
}

/** A counting sort, stable. */
function sortedBy(indexes: Uint32Array, column: Uint32Array, ranks: Uint32Array): Uint32Array {
  const starts = new Uint32Array(ranks.length + 1);
  for (const index of indexes) starts[ranks[column[index]!]! + 1]! += 1;
  for (let rank = 1; rank < starts.length; rank += 1) starts[rank]! += starts[rank - 1]!;
  const sorted = new Uint32Array(indexes.length);
  for (const index of indexes) {
    const rank = ranks[column[index]!]!;
    sorted[starts[rank]!] = index;
    starts[rank]! += 1;
  }
  return sorted;
}

/** Of equal tags equal, so that a file that is written again is the same. */
function sortedJson(tags: Readonly<Record<string, string>>): string {
  const entries = Object.entries(tags).sort(([a], [b]) => compareKeys(a, b));
  return JSON.stringify(Object.fromEntries(entries));
}
