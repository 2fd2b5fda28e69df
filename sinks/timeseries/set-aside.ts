/** Writing, and what of a batch the storage refuses: it is set aside, with its reason, and the rest goes on. */
import type { SinkDeadLetter, SinkDeadLetters } from "../../ports/sink-dead-letters/port.ts";
import { type Progress, RowsRefused, type SeriesRow, type TimeSeries } from "../../ports/time-series/port.ts";

/**
 * Set aside first, and once however often the batch comes: a crash before the write loses neither. Rejects with what
 * `write` rejects with when nothing can be found to set aside.
 */
export async function writeOrSetAside(
  series: Pick<TimeSeries, "write" | "refusals">,
  letters: Pick<SinkDeadLetters, "add">,
  rows: readonly SeriesRow[],
  progress: Progress,
  nowMs: () => number,
): Promise<void> {
  try {
    await series.write(rows, progress);
  } catch (error) {
    if (!(error instanceof RowsRefused)) throw error;
    const refused = await series.refusals(rows);
    if (refused.size === 0) throw error;
    const at = { partition: progress.partition ?? "", atMs: nowMs() };
    await letters.add([...refused].map(([row, reason]) => ({ ...letterOf(row, reason), ...at })));
    await series.write(
      rows.filter((row) => !refused.has(row)),
      progress,
    );
  }
}

function letterOf(row: SeriesRow, reason: string): Omit<SinkDeadLetter, "partition" | "atMs"> {
  const { device, offset, metric, ...rest } = row;
  return { sink: "timeseries", offset, part: metric, device, reason, content: JSON.stringify({ metric, ...rest }) };
}
