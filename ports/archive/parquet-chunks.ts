/**
 * A column of a row group as pages of Parquet: what is in them, not yet compressed. A dictionary is made where it halves the
 * values, in the order of their first appearance among the rows, so that the same rows give the same bytes.
 */
import type { ColumnMetaData, Encoding, Statistics } from "hyparquet";
import { none, type ReadingColumns, valueKinds } from "./columns.ts";
import type { Distinct } from "./distinct.ts";
import { Bytes, bitWidthOf, writeDeltas, writeHybrid } from "./parquet-bytes.ts";

export type Page = {
  /** Repetition levels, then definition levels. */
  readonly levels: Uint8Array;
  readonly repetitionBytes: number;
  readonly values: Uint8Array;
  /** Nulls among them. */
  readonly count: number;
  readonly nulls: number;
  readonly rows: number;
};

export type Chunk = {
  readonly encoding: Encoding;
  readonly dictionary: { readonly count: number; readonly values: Uint8Array } | null;
  readonly pages: readonly Page[];
  /** Asked only where they are kept. */
  readonly statistics: () => Statistics;
};

/** Readings of a row group: their places in the columns, in the order of the file. */
export type Group = { readonly readings: ReadingColumns; readonly rows: Uint32Array };

/** What the numbers of a column stand for. */
type Numbers = { readonly numbers: Uint32Array; readonly distinct: Distinct };

/** Larger pages would have to be in memory whole when they are read. */
const pageBytes = 1_048_576;
const noBytes = new Uint8Array(0);

/** Texts that are there in every row. */
export function texts({ rows }: Group, { numbers, distinct }: Numbers): Chunk {
  return textChunk(gathered(numbers, rows), distinct, null);
}

export function textsOrNull({ rows }: Group, { numbers, distinct }: Numbers): Chunk {
  const levels = new Uint8Array(rows.length);
  const found = new Uint32Array(rows.length);
  let count = 0;
  for (let at = 0; at < rows.length; at += 1) {
    const number = numbers[rows[at]!]!;
    if (number === none) continue;
    levels[at] = 1;
    found[count] = number;
    count += 1;
  }
  return textChunk(found.subarray(0, count), distinct, { levels, count });
}

/** Of the values, those that are texts. */
export function textValues(group: Group): Chunk {
  const { values, ...defined } = valuesThatAre(valueKinds.text, group);
  return textChunk(Uint32Array.from(values), group.readings.texts, defined);
}

/** Whole numbers. */
export function integers({ rows }: Group, column: Float64Array): Chunk {
  const values = new Float64Array(rows.length);
  for (let at = 0; at < rows.length; at += 1) values[at] = column[rows[at]!]!;
  const out = new Bytes(values.length * 4);
  writeDeltas(out, values);
  const statistics = () => ({ ...boundsOf(values), null_count: 0n });
  return { encoding: "DELTA_BINARY_PACKED", dictionary: null, pages: [flatPage(out, values.length)], statistics };
}

/** Of the values, those that are numbers. */
export function numberValues(group: Group): Chunk {
  const { rows } = group;
  const { values, ...defined } = valuesThatAre(valueKinds.number, group);
  const statistics = () => ({ ...boundsOf(values), null_count: BigInt(rows.length - values.length) });
  const numbered = numberedDoubles(values);
  if (numbered === null)
    return { encoding: "PLAIN", dictionary: null, pages: [flatPage(plain(values), rows.length, defined)], statistics };
  const { places, dictionary } = numbered;
  return {
    ...{ encoding: "RLE_DICTIONARY", statistics },
    dictionary: { count: dictionary.length, values: plain(dictionary).taken() },
    pages: [flatPage(indexed(places, dictionary.length), rows.length, defined)],
  };
}

/** Of the values, those that are booleans. */
export function booleanValues(group: Group): Chunk {
  const { rows } = group;
  const { values: found, ...defined } = valuesThatAre(valueKinds.boolean, group);
  const values = Uint8Array.from(found);
  const bounds = values.length === 0 ? {} : { min_value: !values.includes(0), max_value: values.includes(1) };
  const statistics = () => ({ ...bounds, null_count: BigInt(rows.length - values.length) });
  const runs = new Bytes();
  writeHybrid(runs, values, values.length, 1);
  const out = new Bytes(runs.length + 4);
  if (values.length > 0) {
    out.uint32(runs.length);
    out.bytes(runs.taken());
  }
  const encoding = values.length > 0 ? "RLE" : "PLAIN";
  return { encoding, dictionary: null, pages: [flatPage(out, rows.length, defined)], statistics };
}

/** Lists of texts: the numbers are those of JSON texts. Null where there is none, and never empty. */
export function listsOrNull({ rows }: Group, { numbers, distinct }: Numbers): Chunk {
  const places = new Map<string, number>();
  const lists = new Map<number, readonly number[]>();
  const placesOf = (number: number): readonly number[] => {
    const list = (JSON.parse(distinct.text(number)) as string[]).map((text) => {
      const place = places.get(text) ?? places.size;
      places.set(text, place);
      return place;
    });
    lists.set(number, list);
    return list;
  };
  const [repetition, definition, found]: [number[], number[], number[]] = [[], [], []];
  for (const row of rows) {
    const number = numbers[row]!;
    const list = number === none ? [] : (lists.get(number) ?? placesOf(number));
    repetition.push(0);
    definition.push(list.length === 0 ? 0 : 2);
    for (const [at, place] of list.entries()) {
      if (at > 0) repetition.push(1);
      if (at > 0) definition.push(2);
      found.push(place);
    }
  }
  const levels = new Bytes();
  writeHybrid(levels, Uint8Array.from(repetition), repetition.length, 1);
  const repetitionBytes = levels.length;
  writeHybrid(levels, Uint8Array.from(definition), definition.length, 2);
  const count = definition.length;
  const nulls = count - found.length;
  const page = { levels: levels.taken(), repetitionBytes, count, nulls, rows: rows.length };
  const statistics = () => ({ null_count: BigInt(nulls) });
  if (found.length === 0)
    return { encoding: "PLAIN", dictionary: null, pages: [{ ...page, values: noBytes }], statistics };
  const values = indexed(Uint32Array.from(found), places.size).taken();
  return {
    ...{ encoding: "RLE_DICTIONARY", pages: [{ ...page, values }], statistics },
    dictionary: { count: places.size, values: plainTexts([...places.keys()].map((text) => Buffer.from(text))) },
  };
}

/** Definition levels of a column that may be null: 1 where it is not. */
type Defined = { readonly levels: Uint8Array; readonly count: number };

function valuesThatAre(wanted: number, { readings: { kind, value }, rows }: Group): Defined & { values: Float64Array } {
  const levels = new Uint8Array(rows.length);
  const values = new Float64Array(rows.length);
  let count = 0;
  for (let at = 0; at < rows.length; at += 1) {
    const row = rows[at]!;
    if (kind[row] !== wanted) continue;
    levels[at] = 1;
    values[count] = value[row]!;
    count += 1;
  }
  return { levels, count, values: values.subarray(0, count) };
}

function gathered(numbers: Uint32Array, rows: Uint32Array): Uint32Array {
  const found = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at += 1) found[at] = numbers[rows[at]!]!;
  return found;
}

/** @param numbers of those that are not null */
function textChunk(numbers: Uint32Array, distinct: Distinct, defined: Defined | null): Chunk {
  const { places, used } = numbered(numbers, distinct.size);
  const encoded = Array.from(used, (number) => Buffer.from(distinct.text(number)));
  const dictionaryBytes = encoded.reduce((sum, { length }) => sum + length + 4, 0);
  let bytes = 0;
  for (const place of places) bytes += encoded[place]!.length + 4;
  const statistics = (): Statistics => {
    const nulls = { null_count: BigInt(defined === null ? 0 : defined.levels.length - defined.count) };
    if (encoded.length === 0) return nulls;
    const inOrder = encoded.toSorted(Buffer.compare);
    return { min_value: String(inOrder[0]), max_value: String(inOrder.at(-1)), ...nulls };
  };
  const rows = defined?.levels.length ?? numbers.length;
  const width = bitWidthOf(Math.max(0, used.length - 1));
  if (used.length > 0 && 2 * (dictionaryBytes + Math.ceil((places.length * width) / 8)) <= bytes) {
    const dictionary = { count: used.length, values: plainTexts(encoded) };
    const pages = [flatPage(indexed(places, used.length), rows, defined)];
    return { encoding: "RLE_DICTIONARY", dictionary, pages, statistics };
  }
  return { encoding: "PLAIN", dictionary: null, pages: [...plainPages(places, encoded, rows, defined)], statistics };
}

/** Places in a dictionary of those that are used, in the order of their first appearance. */
function numbered(numbers: Uint32Array, size: number): { places: Uint32Array; used: Uint32Array } {
  const placeOf = new Uint32Array(size); // 0: none yet
  const used = new Uint32Array(Math.min(size, numbers.length));
  const places = new Uint32Array(numbers.length);
  let count = 0;
  for (let at = 0; at < numbers.length; at += 1) {
    const number = numbers[at]!;
    if (placeOf[number] === 0) {
      used[count] = number;
      count += 1;
      placeOf[number] = count;
    }
    places[at] = placeOf[number]! - 1;
  }
  return { places, used: used.subarray(0, count) };
}

/** Null: a dictionary would not halve them. */
function numberedDoubles(values: Float64Array): { places: Uint32Array; dictionary: Float64Array } | null {
  if (values.length === 0) return null;
  const bits = new Uint32Array(values.buffer);
  const most = values.length >>> 1;
  const mask = 2 ** bitWidthOf(values.length) * 2 - 1;
  const placeOf = new Uint32Array(mask + 1); // 0: free
  const firsts = new Uint32Array(most + 1);
  const places = new Uint32Array(values.length);
  let count = 0;
  for (let at = 0; at < values.length; at += 1) {
    const [low, high] = [bits[at * 2]!, bits[at * 2 + 1]!];
    let hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = placeOf[slot]!;
      if (place === 0) {
        if (count >= most) return null;
        firsts[count] = at;
        count += 1;
        placeOf[slot] = count;
        places[at] = count - 1;
        break;
      }
      const first = firsts[place - 1]!;
      if (bits[first * 2] !== low || bits[first * 2 + 1] !== high) continue;
      places[at] = place - 1;
      break;
    }
  }
  const indexBytes = Math.ceil((values.length * bitWidthOf(count - 1)) / 8);
  if (2 * (count * 8 + indexBytes) > values.length * 8) return null;
  return { places, dictionary: Float64Array.from(firsts.subarray(0, count), (first) => values[first]!) };
}

function plain(values: Float64Array): Bytes {
  const out = new Bytes(values.length * 8);
  for (const value of values) out.float64(value);
  return out;
}

function plainTexts(encoded: readonly Uint8Array[]): Uint8Array {
  const out = new Bytes();
  for (const bytes of encoded) {
    out.reserve(bytes.length + 4);
    out.uint32(bytes.length);
    out.bytes(bytes);
  }
  return out.taken();
}

/** Places in a dictionary of `size`. */
function indexed(places: Uint32Array, size: number): Bytes {
  const out = new Bytes(places.length * 2 + 16);
  const width = bitWidthOf(Math.max(0, size - 1));
  out.uint8(width);
  writeHybrid(out, places, places.length, width);
  return out;
}

function flatPage(values: Bytes, rows: number, defined: Defined | null = null, from = 0): Page {
  const page = { repetitionBytes: 0, values: values.taken(), count: rows, rows };
  if (defined === null) return { ...page, levels: noBytes, nulls: 0 };
  const ofPage = defined.levels.subarray(from, from + rows);
  const levels = new Bytes();
  writeHybrid(levels, ofPage, rows, 1);
  let nulls = 0;
  for (const level of ofPage) nulls += 1 - level;
  return { ...page, levels: levels.taken(), nulls };
}

/** Texts as they are, in pages of at most about `pageBytes`. */
function* plainPages(
  places: Uint32Array,
  encoded: readonly Uint8Array[],
  rows: number,
  defined: Defined | null,
): Generator<Page> {
  let [out, from, next] = [new Bytes(), 0, 0];
  for (let row = 0; row < rows; row += 1) {
    if (out.length >= pageBytes) {
      yield flatPage(out, row - from, defined, from);
      out = new Bytes();
      from = row;
    }
    if (defined !== null && defined.levels[row] === 0) continue;
    const bytes = encoded[places[next]!]!;
    next += 1;
    out.reserve(bytes.length + 4);
    out.uint32(bytes.length);
    out.bytes(bytes);
  }
  yield flatPage(out, rows - from, defined, from);
}

/** Without those that are not a number. Signs of 0 are as Parquet wants them. */
function boundsOf(values: Float64Array): Pick<ColumnMetaData["statistics"] & object, "min_value" | "max_value"> {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least > most) return {};
  return { min_value: least === 0 ? -0 : least, max_value: most === 0 ? 0 : most };
}
