import { createHash } from "node:crypto";
import { parse } from "csv-parse/sync";

/** One row of a recorded series; `tsMs` in epoch ms. */
export type RecordedReading = { readonly tsMs: number; readonly value: number };

export type RecordedSeries = {
  readonly readings: readonly RecordedReading[];
  /** Names the recording: played again, it is known to be the same, and nothing counts twice. */
  readonly id: string;
};

/**
 * Reads `timestamp,value` rows in their order; times without a zone are UTC.
 * @throws Error naming the first line that cannot be read
 */
export function readRecordedSeries(csv: string): RecordedSeries {
  const rows = parse(csv, { columns: true, skip_empty_lines: true, trim: true, bom: true }) as Record<string, string>[];
  const readings = rows.map((row, index) => {
    const tsMs = epochMs(row.timestamp ?? "");
    const value = Number(row.value);
    if (tsMs === null || row.value === undefined || row.value === "" || !Number.isFinite(value))
      throw new Error(
        `Line ${index + 2} is ${JSON.stringify(row)}, but needs a timestamp (2013-07-04 00:00:00, UTC) and a number as value.`,
      );
    return { tsMs, value };
  });
  return { readings, id: createHash("sha256").update(csv).digest("hex").slice(0, 12) };
}

function epochMs(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.test(text)) return null;
  const iso = text.replace(" ", "T");
  const parsed = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`);
  return Number.isNaN(parsed) ? null : parsed;
}
