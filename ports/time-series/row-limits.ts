import type { SeriesRow } from "./port.ts";

/** The year 1, epoch ms: calendars of databases begin earlier, but nothing was measured before. */
export const earliestMs = -62_135_596_800_000;

/** Why no implementation takes the row; null: this is no reason not to. */
export function refusalOf({ tsMs }: SeriesRow): string | null {
  return tsMs >= earliestMs ? null : `its time is ${tsMs} ms after 1970, which is before the year 1`;
}

/** Throws `refused(reason)` for the first row that no implementation takes. */
export function checkLimits(rows: readonly SeriesRow[], refused: (reason: string) => Error): void {
  for (const row of rows) {
    const reason = refusalOf(row);
    if (reason !== null) throw refused(`A row of the batch is refused: ${reason}.`);
  }
}
