/**
 * Reads files of readings by ranges: the footer, then only the row groups that can hold what is asked, and of them only
 * the columns that are needed. Files of older schemas lack columns: they read as null, and files of newer ones have more.
 */
import { zstdDecompressSync } from "node:zlib";
import { type AsyncBuffer, type FileMetaData, parquetMetadata, parquetRead } from "hyparquet";
import { LRUCache } from "lru-cache";
import { compareKeys } from "../object-store/key.ts";
import type { ObjectStore } from "../object-store/port.ts";
import type { SeriesReading } from "../time-series/port.ts";
import type { ReadingColumns } from "./columns.ts";
import type { ArchivedRange } from "./port.ts";

/** What has to be known of a file. */
export type StoredFile = {
  readonly key: string;
  readonly bytes: number;
  readonly footerBytes: number;
};

export type FileReader = {
  /** Unsorted with those of other files; sorted within. @throws ObjectMissing when it was deleted meanwhile */
  readings(file: StoredFile, range: ArchivedRange): Promise<SeriesReading[]>;
  /** All of it, behind what `columns` has. */
  gather(file: StoredFile, columns: ReadingColumns): Promise<void>;
};

type Group = { readonly from: number; readonly to: number; readonly bounds: Bounds };
type Bounds = Readonly<Record<"device_id" | "metric" | "ts", readonly [unknown, unknown] | null>>;
type Footer = {
  readonly metadata: FileMetaData;
  readonly names: ReadonlySet<string>;
  readonly groups: readonly Group[];
};
type Columns = Map<string, unknown[]>;

const valueColumns = ["device_id", "metric", "ts", "value", "value_bool", "value_text", "flags", "log_offset"];
const compressors = { ZSTD: (input: Uint8Array) => zstdDecompressSync(input) };
const parsers = { timestampFromMilliseconds: Number };
/** Footers in memory, by their size in the file; parsed they take about ten times that. */
const footerCacheBytes = 8_000_000;

export function openFileReader(store: ObjectStore): FileReader {
  const footers = new LRUCache<string, Footer>({ maxSize: footerCacheBytes, maxEntrySize: footerCacheBytes / 2 });

  async function footerOf(file: StoredFile): Promise<Footer> {
    const known = footers.get(file.key);
    if (known !== undefined) return known;
    const tail = await store.getRange(file.key, file.bytes - file.footerBytes, file.bytes);
    const metadata = parquetMetadata(exactBuffer(tail), { parsers });
    const names = new Set(metadata.row_groups[0]?.columns.map((column) => column.meta_data!.path_in_schema[0]!));
    const footer = { metadata, names, groups: groupsOf(metadata) };
    footers.set(file.key, footer, { size: file.footerBytes });
    return footer;
  }

  async function read(file: StoredFile, footer: Footer, groups: readonly Group[], wanted: readonly string[]) {
    const buffer: AsyncBuffer = {
      byteLength: file.bytes,
      slice: async (start, end = file.bytes) => exactBuffer(await store.getRange(file.key, start, end)),
    };
    const columns = wanted.filter((name) => footer.names.has(name));
    // Groups that lie together are read together.
    const runs: { from: number; to: number }[] = [];
    for (const { from, to } of groups) {
      const last = runs.at(-1);
      if (last?.to === from) last.to = to;
      else runs.push({ from, to });
    }
    const parts = await Promise.all(
      runs.map(async ({ from, to }) => {
        const found: { name: string; from: number; data: ArrayLike<unknown> }[] = [];
        await parquetRead({
          ...{ file: buffer, metadata: footer.metadata, columns, compressors, parsers, rowStart: from, rowEnd: to },
          onChunk: ({ columnName, columnData, rowStart }) =>
            found.push({ name: columnName, from: rowStart, data: columnData }),
        });
        return found;
      }),
    );
    const result: Columns = new Map(columns.map((name) => [name, []]));
    for (const { name, data } of parts.flat().sort((a, b) => a.from - b.from)) {
      const target = result.get(name)!;
      for (let index = 0; index < data.length; index += 1) target.push(data[index]);
    }
    return result;
  }

  return {
    async readings(file, range) {
      const footer = await footerOf(file);
      const groups = footer.groups.filter(({ bounds }) => mayHold(bounds, range));
      if (groups.length === 0) return [];
      const columns = await read(file, footer, groups, valueColumns);
      const of = accessors(columns);
      const found: SeriesReading[] = [];
      for (let at = 0; at < of.length; at += 1) {
        if (of.text("device_id", at) !== range.device || of.text("metric", at) !== range.metric) continue;
        const tsMs = of.number("ts", at);
        if (tsMs < range.fromMs || tsMs >= range.toMs) continue;
        found.push({ tsMs, offset: of.number("log_offset", at), value: of.value(at), flags: of.flags(at) });
      }
      return found;
    },
    async gather(file, columns) {
      const footer = await footerOf(file);
      const of = accessors(await read(file, footer, footer.groups, [...footer.names]));
      for (let at = 0; at < of.length; at += 1) {
        const tags = of.text("tags", at);
        columns.begin({
          device: of.text("device_id", at) ?? "",
          tsMs: of.number("ts", at),
          offset: of.number("log_offset", at),
          receivedAtMs: of.number("received_at", at),
          type: of.text("type", at) ?? "default",
          region: of.text("region", at) ?? "",
          tags: tags === null ? null : tagsOf(tags),
        });
        columns.add(of.text("metric", at) ?? "", of.value(at), of.flags(at));
      }
    },
  };
}

/** The readings of a message have the same text, so that it is parsed once for them. */
const tagsOf = remembered((text) => JSON.parse(text) as Record<string, string>);

function remembered<T>(of: (text: string) => T): (text: string) => T {
  let last: { readonly text: string; readonly found: T } | null = null;
  return (text) => {
    if (last?.text !== text) last = { text, found: of(text) };
    return last.found;
  };
}

/** Of a column that the file does not have, every value is null. */
function accessors(columns: Columns) {
  const at = (name: string, index: number): unknown => columns.get(name)?.[index] ?? null;
  return {
    length: columns.get("ts")?.length ?? 0,
    text: (name: string, index: number) => at(name, index) as string | null,
    number: (name: string, index: number) => Number(at(name, index)),
    value: (index: number) =>
      (at("value", index) ?? at("value_bool", index) ?? at("value_text", index) ?? "") as SeriesReading["value"],
    flags: (index: number) => at("flags", index) as string[] | null,
  };
}

function groupsOf(metadata: FileMetaData): Group[] {
  let from = 0;
  return metadata.row_groups.map((group) => {
    const to = from + Number(group.num_rows);
    const bounds = (name: string): readonly [unknown, unknown] | null => {
      const column = group.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === name);
      const { min_value, max_value } = column?.meta_data?.statistics ?? {};
      return min_value === undefined || max_value === undefined ? null : [min_value, max_value];
    };
    const group_ = { from, to, bounds: { device_id: bounds("device_id"), metric: bounds("metric"), ts: bounds("ts") } };
    from = to;
    return group_;
  });
}

function mayHold({ device_id, metric, ts }: Bounds, range: ArchivedRange): boolean {
  const textWithin = (bounds: readonly [unknown, unknown] | null, text: string) =>
    bounds === null || (compareKeys(String(bounds[0]), text) <= 0 && compareKeys(text, String(bounds[1])) <= 0);
  if (!textWithin(device_id, range.device) || !textWithin(metric, range.metric)) return false;
  return ts === null || (Number(ts[0]) < range.toMs && Number(ts[1]) >= range.fromMs);
}

function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}
