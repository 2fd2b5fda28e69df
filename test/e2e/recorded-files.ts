/** The recorded series that tests play: the shared data files where they are, else series of their shape. */
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

export type RecordedFile = { readonly name: string; readonly csv: string };

/** DOPPEL_SHARED_DATA names their folder; else it is looked for beside the repository. */
const folder = process.env.DOPPEL_SHARED_DATA ?? join(import.meta.dirname, "../../../shared/data");

/** Rows and rhythm of the real files. */
const shapes = [
  { name: "ambient_temperature", rows: 7_267, from: Date.UTC(2013, 6, 4), everyMs: 3_600_000 },
  { name: "machine_temperature", rows: 22_695, from: Date.UTC(2013, 11, 2, 21, 15), everyMs: 300_000 },
];

export function recordedFiles(): RecordedFile[] {
  return shapes.map((shape) => {
    const file = join(folder, `${shape.name}.csv`);
    return existsSync(file)
      ? { name: basename(file, ".csv"), csv: readFileSync(file, "utf8") }
      : { name: shape.name, csv: madeUp(shape) };
  });
}

/** A slow wave, a gap, and an hour whose times come twice, as when a clock was set back. */
export function madeUp({ rows, from, everyMs }: (typeof shapes)[number]): string {
  const perHour = 3_600_000 / everyMs;
  const lines = Array.from({ length: rows }, (_, row) => {
    const afterGap = row > rows / 2 ? 20 : 0;
    const setBack = row > rows / 3 ? perHour : 0;
    const ts = new Date(from + (row + afterGap - setBack) * everyMs).toISOString().slice(0, 19).replace("T", " ");
    return `${ts},${70 + 10 * Math.sin(row / 100) + row / rows}`;
  });
  return ["timestamp,value", ...lines, ""].join("\n");
}
