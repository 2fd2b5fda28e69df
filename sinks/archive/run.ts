/**
 * Telemetry from the log into the archive. A file wants many rows, so they are gathered over many commits; the progress is
 * stored with their file, and what was gathered but not stored comes again after a crash.
 *
 * G1 What is gathered of a partition begins at its stored progress and has no gap: whatever does not follow on it is
 *    refused, and it is dropped when another process has moved the progress.
 * G2 A range that was begun is ended first, and exactly (A3 of the archive).
 * G3 Over all partitions at most about `maxRows` readings and one commit are held: what is more waits in the log.
 */
import { ReadingColumns } from "../../ports/archive/columns.ts";
import type { Archive } from "../../ports/archive/port.ts";
import { type Progress, StaleProgress } from "../../ports/time-series/port.ts";
import type { LogItem } from "../consumer.ts";
import type { Chore, SinkTarget } from "../target.ts";
import { readingsIn } from "../timeseries/fold.ts";
import { gather } from "./gather.ts";

export type ArchiveTargetOptions = {
  /** Readings that are held at most, over all partitions; a partition that has as many gets its file. */
  readonly maxRows: number;
  /** How long a reading waits at most for its file. */
  readonly maxAgeMs: number;
  /** Days after which files are deleted; null: never. */
  readonly retentionDays?: number | null;
  readonly now?: () => number;
};

/** What of a partition waits for its file: all rows of [from, to). */
type Gathered = { from: number; to: number; rows: ReadingColumns; sinceMs: number };

const dayMs = 86_400_000;

export function archiveTarget(
  archive: Archive,
  { maxRows, maxAgeMs, retentionDays = null, now = Date.now }: ArchiveTargetOptions,
): SinkTarget {
  const gathered = new Map<string, Gathered>();
  const turns = new Map<string, Promise<unknown>>();
  /** Partitions whose progress another process has moved: the consumer has to ask for it first. */
  const lost = new Set<string>();
  const total = () => [...gathered.values()].reduce((sum, { rows }) => sum + rows.length, 0);

  /** One thing at a time of a partition: chores store what commits gather. */
  function inTurn<T>(partition: string, work: () => Promise<T>): Promise<T> {
    const turn = (turns.get(partition) ?? Promise.resolve()).then(work, work);
    const settled = turn.then(
      () => {},
      () => {},
    );
    turns.set(partition, settled);
    return turn;
  }

  /** In the partition's turn. */
  async function store(partition: string): Promise<void> {
    const held = gathered.get(partition);
    if (held === undefined || held.from === held.to) return;
    const intent = await archive.openIntent(partition);
    if (intent !== null && intent.to > held.to) return; // G2: the rest of it comes
    const to = intent?.to ?? held.to;
    // Offsets grow, so those of the range are at the beginning.
    const { rows } = held;
    const count = to === held.to ? rows.length : rows.countBefore(to);
    try {
      const written = count === rows.length ? rows : rows.part(0, count);
      await archive.write(written, progressOf(partition, held.from, to));
    } catch (error) {
      if (error instanceof StaleProgress) drop(partition);
      throw error;
    }
    if (to === held.to) gathered.delete(partition);
    else gathered.set(partition, { from: to, to: held.to, rows: rows.part(count, rows.length), sinceMs: now() });
    if (to < held.to && intent !== null) await store(partition);
  }

  /** Others were before us (G1). */
  function drop(partition: string): void {
    gathered.delete(partition);
    lost.add(partition);
  }

  async function take(items: readonly LogItem[], { from, to, partition = "" }: Progress): Promise<void> {
    const held = gathered.get(partition);
    if (lost.has(partition) || (held !== undefined && held.to !== from)) {
      drop(partition);
      throw new StaleProgress(`archive: ${from} does not follow in ${partition || "the log"}; ask for the progress`);
    }
    // Full from before: it must be stored before more is held.
    if (held !== undefined && held.rows.length >= maxRows) await store(partition);
    const kept = gathered.get(partition) ?? { from, to: from, rows: new ReadingColumns(), sinceMs: now() };
    gather(kept.rows, items);
    kept.to = to;
    gathered.set(partition, kept);
    if (kept.rows.length >= maxRows) await stored(partition);
  }

  /** What was gathered is ours already: what fails now is tried again with the next commit, or by the chore. */
  async function stored(partition: string): Promise<void> {
    await store(partition).catch((error) => {
      if (error instanceof StaleProgress) throw error;
    });
  }

  /** Makes room by storing what has waited longest (G3); what waits for the rest of its range stays. */
  async function makeRoom(): Promise<void> {
    if (total() < maxRows) return;
    for (const [partition] of [...gathered].sort(([, a], [, b]) => a.sinceMs - b.sinceMs)) {
      if (total() < maxRows) return;
      await inTurn(partition, () => store(partition)).catch((error) => {
        if (!(error instanceof StaleProgress)) throw error; // another process has the partition, and its rows
      });
    }
  }

  async function progressIn(partition: string): Promise<number | null> {
    return await inTurn(partition, async () => {
      const progress = await archive.progressIn(partition);
      const held = gathered.get(partition);
      if (held !== undefined && held.from === progress) return held.to; // G1: still ours
      gathered.delete(partition);
      lost.delete(partition);
      return progress;
    });
  }

  async function flush(isDue: (held: Gathered) => boolean): Promise<void> {
    const failures: unknown[] = [];
    for (const [partition, held] of [...gathered]) {
      if (!isDue(held)) continue;
      await inTurn(partition, () => store(partition)).catch((error) => {
        if (!(error instanceof StaleProgress)) failures.push(error);
      });
    }
    if (failures.length > 0) throw failures[0];
  }

  const chores: Chore[] = [
    {
      ...{ name: "files", everyMs: Math.max(1_000, Math.min(10_000, maxAgeMs / 4)) },
      run: (nowMs) => flush(({ sinceMs, rows }) => nowMs - sinceMs >= maxAgeMs || rows.length >= maxRows),
    },
    {
      ...{ name: "compaction", everyMs: 600_000 },
      run: async (nowMs) => {
        if (retentionDays !== null) await archive.expire(nowMs - retentionDays * dayMs, nowMs);
        await archive.compact(nowMs);
      },
    },
    { name: "manifest", everyMs: 60_000, run: () => archive.writeManifest() },
  ];

  return {
    name: "archive",
    topics: ["iot-telemetry"],
    progress: async () => (await progressIn("")) ?? 0,
    progressIn,
    weigh: readingsIn,
    async commit(items, progress) {
      await makeRoom();
      const { partition = "" } = progress;
      await inTurn(partition, () => take(items, progress));
    },
    storedIn: (partition) => archive.progressIn(partition),
    // What cannot be stored now comes again from the log.
    close: () => flush(() => true).catch(() => {}),
    chores,
  };
}

/** The embedded log has no partition to name. */
function progressOf(partition: string, from: number, to: number): Progress {
  return partition === "" ? { from, to } : { from, to, partition };
}
