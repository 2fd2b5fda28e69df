/** The service over the real sources: rows of 24 days, of which readings are dropped, some that come late, some dirty. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { intervalStart, intervalsOf, parseInterval } from "../../core/history/intervals.ts";
import { byTime, mergedBuckets } from "../../core/history/merge.ts";
import type { StatsBucket } from "../../core/history/stats.ts";
import { openMemoryArchive } from "../../ports/archive/memory.ts";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import type { Archive } from "../../ports/archive/port.ts";
import { openFolderStore } from "../../ports/object-store/folder.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { openMemoryQueryCache } from "../../ports/query-cache/memory.ts";
import { memoryTimeSeries } from "../../ports/time-series/memory.ts";
import type { SeriesRetention, SeriesRow, TimeSeries } from "../../ports/time-series/port.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import type { HistoryQuery } from "./query.ts";
import { openHistory } from "./service.ts";
import { statistics } from "./sources.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const nowMs = Date.UTC(2026, 10, 3, 12, 34, 56, 789); // clocks in Berlin were turned nine days before
const never = new AbortController().signal;
const retention: SeriesRetention = {
  ...{ keepMs: 7 * day, keepMsOf: new Map() },
  keepAggregatesMs: { minute: 400 * day, hour: 4_000 * day },
};

function aRow(tsMs: number, offset: number, receivedAtMs = tsMs): SeriesRow {
  return {
    ...{ device: "pump-4", metric: "temperature", tsMs, offset, receivedAtMs, tags: null, type: "default", region: "" },
    value: offset % 50 === 0 ? "text" : offset % 7 === 0 ? offset % 2 === 0 : 20 + (offset % 13),
    flags: offset % 11 === 0 ? ["range"] : null,
  };
}

type Sources = { series: TimeSeries; archive: Archive };

/** In the order in which it happens in life; gives all rows that were ever written. */
async function aLife({ series, archive }: Sources): Promise<SeriesRow[]> {
  const all: SeriesRow[] = [];
  let written = 0;
  const write = async (rows: SeriesRow[]) => {
    const progress = { from: written, to: written + rows.length };
    await series.write(rows, progress);
    await archive.write(rows, progress);
    written = progress.to;
    all.push(...rows);
  };
  const startMs = nowMs - 24 * day;
  await series.maintain(startMs, retention);
  for (let part = 0; part < 4; part += 1) {
    const fromMs = startMs + part * 6 * day;
    const rows = Array.from({ length: 432 }, (_, n) => aRow(fromMs + n * 20 * minute, written + n));
    await write(rows);
    const untilMs = fromMs + 6 * day;
    await series.refresh(untilMs);
    await series.maintain(untilMs, retention);
  }
  // Late: for hours whose readings are dropped, for aggregated hours (dirty now), and at the borders of both.
  const late = [22 * day, 12 * day + 7, 7 * day, 6 * day, 3 * day, 3 * day - 1, 2 * hour];
  await write(late.map((agoMs, n) => aRow(nowMs - agoMs, written + n, nowMs)));
  return all;
}

function historyOf({ series, archive }: Sources) {
  return openHistory({ series, archive, fleet: { device: async () => null }, cache: openMemoryQueryCache() });
}

/** Rounding depends on the order in which parts are added. */
const nearly = (buckets: readonly StatsBucket[]) =>
  buckets.map(({ mean, m2, ...rest }) => ({ ...rest, mean: expect.closeTo(mean, 6), m2: expect.closeTo(m2, 4) }));

function federation(name: string, open: () => Promise<Sources>): void {
  describe(`the history over ${name}`, () => {
    test("is that of all readings ever written, before and after the late ones are aggregated", {
      timeout: 120_000,
    }, async () => {
      const sources = await open();
      const all = (await aLife(sources)).sort(byTime);
      const history = historyOf(sources);
      const coverage = await sources.series.coverage({
        ...{ device: "pump-4", metric: "temperature", fromMs: 0, toMs: nowMs, type: "default" },
      });
      // The test is about these borders: they have to be there.
      expect(coverage.rawFromMs).toBeGreaterThan(nowMs - 10 * day);
      expect(coverage.aggregatedToMs).toBeGreaterThan(nowMs - day);
      expect(coverage.dirtyHours.length).toBeGreaterThan(0);
      const border = coverage.rawFromMs;
      const ranges = [
        [nowMs - 25 * day, nowMs],
        [nowMs - 24 * day + 12_345, nowMs - 5 * day + 777],
        [border - 3 * hour - 1, border + 3 * hour + 1],
        [nowMs - 4 * day - 5, nowMs + day],
      ] as const;
      for (const round of ["dirty", "refreshed"]) {
        for (const [fromMs, toMs] of ranges) {
          const within = all.filter(({ tsMs }) => tsMs >= fromMs && tsMs < toMs);
          const query: HistoryQuery = {
            ...{ devices: ["pump-4"], metrics: ["temperature"], fromMs, toMs, aggregate: null, maxPoints: 10_000 },
            ...{ timeZone: "Europe/Berlin", interval: null, downsample: "none" },
          };
          const [raw] = await history.query(query, never);
          expect(raw?.kind === "raw" && raw.readings, round).toEqual(
            within.map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags })),
          );
          for (const text of ["10m", "6h", "1d", "1mo"]) {
            const interval = parseInterval(text)!;
            const intervals = intervalsOf(interval, "Europe/Berlin", fromMs, toMs);
            const expected = mergedBuckets([statistics(within)], (tsMs) => intervalStart(tsMs, intervals));
            const [found] = await history.query({ ...query, interval }, never);
            const about = `${round} ${text} ${new Date(fromMs).toISOString()}`;
            expect(found?.kind === "intervals" && found.buckets, about).toEqual(nearly(expected));
          }
        }
        await sources.series.refresh(nowMs);
      }
    });
  });
}

test("a long range of whole minutes does without the archive", async () => {
  const sources = { series: memoryTimeSeries(), archive: openMemoryArchive() };
  await aLife(sources);
  await sources.series.refresh(nowMs);
  const query: HistoryQuery = {
    ...{ devices: ["pump-4"], metrics: ["temperature"], fromMs: nowMs - (nowMs % minute) - 24 * day },
    ...{ toMs: nowMs, aggregate: null, timeZone: "UTC", interval: null, downsample: "auto", maxPoints: 300 },
  };
  const [found] = await historyOf(sources).query(query, never);
  expect(found).toMatchObject({ kind: "intervals", widthMs: 2 * hour });
  expect(found!.sources).not.toContain("archive");
});

federation("memory", async () => ({ series: memoryTimeSeries(), archive: openMemoryArchive() }));

federation("PostgreSQL and Parquet", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 6 });
  const folder = mkdtempSync(join(tmpdir(), "doppel-history-"));
  const store = await openFolderStore(folder);
  const archive = await openParquetArchive(pool, store);
  onTestFinished(async () => {
    await archive.close();
    await store.close();
    await pool.end();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  return { series: await openPostgresTimeSeries(pool), archive };
});
