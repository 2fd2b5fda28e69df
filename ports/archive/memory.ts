import { type Progress, type SeriesRow, StaleProgress } from "../time-series/port.ts";
import { dayFolder, dayLengthMs, dayOf } from "./layout.ts";
import type { Archive, ArchivedFile } from "./port.ts";

/** Rows in memory, for tests. Nothing to merge; an intent is open only where a test opens one. */
export function openMemoryArchive(): Archive & { open(progress: Progress): void } {
  const progress = new Map<string, number>();
  const intents = new Map<string, Progress>();
  let rows: SeriesRow[] = [];

  const idOf = ({ device, metric, tsMs, offset }: SeriesRow) => JSON.stringify([device, metric, tsMs, offset]);

  function fileOf(dayMs: number, ofDay: readonly SeriesRow[]): ArchivedFile {
    const devices = ofDay.map(({ device }) => device).sort();
    const times = ofDay.map(({ tsMs }) => tsMs).sort((a, b) => a - b);
    return {
      ...{ key: `${dayFolder(dayMs)}memory`, dayMs, rows: ofDay.length, bytes: 0, schemaVersion: 1 },
      ...{ firstDevice: devices[0]!, lastDevice: devices.at(-1)! },
      ...{ firstTsMs: times[0]!, lastTsMs: times.at(-1)! },
    };
  }

  return {
    open: (intent) => void intents.set(intent.partition ?? "", intent),
    progressIn: async (partition) => progress.get(partition) ?? (partition === "" ? 0 : null),
    openIntent: async (partition) => intents.get(partition) ?? null,
    async write(added, { from, to, partition = "" }) {
      const stored = progress.get(partition) ?? (partition === "" ? 0 : from);
      const intent = intents.get(partition);
      if (stored !== from || (intent !== undefined && (intent.from !== from || intent.to !== to))) {
        throw new StaleProgress(`archive stands at ${stored}, not at ${from}`);
      }
      for (const row of added) rows.push(row);
      progress.set(partition, to);
      intents.delete(partition);
      return [...Map.groupBy(added, ({ tsMs }) => dayOf(tsMs))].map(([dayMs, ofDay]) => fileOf(dayMs, ofDay));
    },
    async writeAgain(again) {
      const known = new Set(rows.map(idOf));
      const added = again.filter((row) => !known.has(idOf(row)) && known.add(idOf(row)));
      rows.push(...added);
      return { added: added.length };
    },
    async *readings({ device, metric, fromMs, toMs }) {
      const found = rows
        .filter((row) => row.device === device && row.metric === metric && row.tsMs >= fromMs && row.tsMs < toMs)
        .map(({ tsMs, offset, value, flags }) => ({ tsMs, offset, value, flags }))
        .sort((a, b) => a.tsMs - b.tsMs || a.offset - b.offset);
      for (const batch of Map.groupBy(found, ({ tsMs }) => dayOf(tsMs)).values()) yield batch;
    },
    metrics: async (device) =>
      [...new Set(rows.filter((row) => row.device === device).map(({ metric }) => metric))].sort(),
    async files({ fromMs, toMs }) {
      const days = [...Map.groupBy(rows, ({ tsMs }) => dayOf(tsMs))].sort(([a], [b]) => a - b);
      return days.filter(([dayMs]) => dayMs < toMs && dayMs + dayLengthMs > fromMs).map((day) => fileOf(...day));
    },
    compact: async () => ({ merged: 0, deleted: 0 }),
    async expire(beforeMs) {
      const before = new Set(rows.map(({ tsMs }) => dayOf(tsMs)));
      rows = rows.filter(({ tsMs }) => dayOf(tsMs) >= dayOf(beforeMs));
      return before.size - new Set(rows.map(({ tsMs }) => dayOf(tsMs))).size;
    },
    async writeManifest() {},
    async close() {},
  };
}
