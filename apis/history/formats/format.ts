/** In which formats the history goes out, and which one a request asks for. */
import type { HistoryBatch } from "../query.ts";
import { csv, ndjson } from "./lines.ts";
import type { TableKind } from "./table.ts";

export const formats = ["json", "ndjson", "csv", "arrow", "parquet"] as const;
export type Format = (typeof formats)[number];
export const tableFormats = ["ndjson", "csv", "arrow", "parquet"] as const;
export type TableFormat = (typeof tableFormats)[number];

export const contentTypes = {
  json: "application/json",
  ndjson: "application/x-ndjson",
  csv: "text/csv",
  arrow: "application/vnd.apache.arrow.stream",
  parquet: "application/vnd.apache.parquet",
} as const satisfies Record<Format, string>;

/** Other names under which they are asked for. */
const alsoKnown: Readonly<Record<string, Format>> = {
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
  "application/x-parquet": "parquet",
};

type Encoder = (batches: AsyncIterable<HistoryBatch>, table: TableKind) => AsyncIterable<Uint8Array>;
const encoders: Readonly<Record<TableFormat, Encoder>> = {
  ndjson,
  csv,
  // Their libraries take as long to load as the rest of the API: when they are first asked for.
  async *arrow(batches, table) {
    const { arrow } = await import("./arrow.ts");
    yield* arrow(batches, table);
  },
  async *parquet(batches, table) {
    const { parquet } = await import("./parquet.ts");
    yield* parquet(batches, table);
  },
};

/** Encodes as the batches come. */
export function encoded(
  format: TableFormat,
  batches: AsyncIterable<HistoryBatch>,
  table: TableKind,
): AsyncIterable<Uint8Array> {
  return encoders[format](batches, table);
}

/** The format that an Accept header prefers (RFC 9110, 12.5.1): JSON where it names none of ours. */
export function acceptedFormat(accept: string | undefined): Format {
  const wanted = (accept ?? "").split(",").map((part) => {
    const [type = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    return { type, quality: quality === undefined ? 1 : Number(quality) || 0 };
  });
  const best = wanted
    .filter(({ type, quality }) => quality > 0 && formatOf(type) !== null)
    .reduce<(typeof wanted)[number] | null>((a, b) => (a === null || b.quality > a.quality ? b : a), null);
  return best === null ? "json" : formatOf(best.type)!;
}

function formatOf(type: string): Format | null {
  return formats.find((format) => contentTypes[format] === type) ?? alsoKnown[type] ?? null;
}
