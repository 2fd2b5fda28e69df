import { type Coverage, resolutionMs } from "../../core/history/coverage.ts";
import type { Archive } from "../../ports/archive/port.ts";
import type { SeriesRange, TimeSeries } from "../../ports/time-series/port.ts";

/** Times of the first and the last reading that there may be (both inclusive, epoch ms). */
export type Extent = { readonly firstMs: number; readonly lastMs: number };

/** What of the range a metric may have readings in, wherever they are: an interval of years is not searched for a day's. */
export async function extentOf(
  { series, archive }: { series: TimeSeries; archive: Archive | null },
  { device, metric, fromMs, toMs }: SeriesRange,
  coverage: Coverage,
  signal: AbortSignal,
): Promise<Extent | null> {
  const stored = await series.extent(device, metric, signal);
  const ends = stored === null ? [] : [{ firstMs: stored.firstMs, lastMs: withinItsHour(stored.lastMs, coverage) }];
  const olderToMs = Math.min(toMs, coverage.rawFromMs);
  const [known] = ends;
  const covers = known !== undefined && known.firstMs <= fromMs && known.lastMs >= olderToMs - 1;
  if (archive !== null && fromMs < olderToMs && !covers) {
    const files = await archive.files({ fromMs, toMs: olderToMs });
    for (const { firstDevice, lastDevice, firstTsMs, lastTsMs } of files) {
      if (firstDevice <= device && device <= lastDevice) ends.push({ firstMs: firstTsMs, lastMs: lastTsMs });
    }
  }
  const firstMs = ends.reduce((least, end) => Math.min(least, end.firstMs), toMs);
  const lastMs = ends.reduce((most, end) => Math.max(most, end.lastMs), fromMs - 1);
  const within = { firstMs: Math.max(fromMs, firstMs), lastMs: Math.min(toMs - 1, lastMs) };
  return within.firstMs <= within.lastMs ? within : null;
}

/** An aggregate is named by its beginning: its readings may be up to an hour newer. */
function withinItsHour(lastMs: number, coverage: Coverage): number {
  return lastMs < coverage.rawFromMs ? lastMs + resolutionMs.hour - 1 : lastMs;
}
