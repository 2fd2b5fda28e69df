/**
 * A sink of the distributed mode: takes the batches of the log's partitions, several of them at the same time.
 * Leaves reading, waiting and repeating to the record source.
 *
 * D1 A batch is committed in parts of at most about `maxWeight` rows, each with its own progress: a batch that failed
 *    half way comes again from there.
 * D2 A commit that is refused once is no trouble: another member of the group had the partition until now.
 * D3 What is wrong with a partition is told until it is taken again, here or (unheard of for `forgetMs`) elsewhere, or
 *    until its stored progress shows that the commit was done and only its answer was lost.
 */
import type { LogBatch, LogConsumer, Partition } from "../ports/record-log/port.ts";
import { StaleProgress } from "../ports/time-series/port.ts";
import { defaultLimits, type LogItem, parts, type Target } from "./consumer.ts";

/** Where the records of partitions go. */
export type PartitionTarget = Omit<Target, "progress"> & {
  /** Null: it has never been in that partition. */
  progressIn(partition: string): Promise<number | null>;
};

export type PartitionSink = Required<Pick<LogConsumer, "progress" | "take">> & {
  readonly name: string;
  /** Records committed since the start. */
  records(): number;
  /** What is wrong, by partition. */
  troubles(): ReadonlyMap<string, string>;
};

/** `next`: what the progress would be without it; null where that was not to be known. */
type Trouble = { readonly message: string; readonly atMs: number; readonly next: number | null };

const forgetMs = 60_000;

export function openPartitionSink(
  target: PartitionTarget,
  { maxWeight = defaultLimits.maxWeight, now = Date.now }: { maxWeight?: number; now?: () => number } = {},
): PartitionSink {
  const troubles = new Map<string, Trouble>();
  const refused = new Set<string>();
  let records = 0;

  /** Notes how it went. */
  async function watched<T>(place: string, next: number | null, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof StaleProgress && !refused.has(place)) {
        refused.add(place); // D2
        throw cause;
      }
      const message = cause instanceof Error ? cause.message : String(cause);
      troubles.set(place, { message, atMs: now(), next });
      throw cause instanceof StaleProgress ? new Error(message, { cause }) : cause;
    }
  }

  async function commit(place: string, batch: LogBatch): Promise<void> {
    const items: LogItem[] = batch.records.map((logged) => ({ offset: logged.offset, entry: logged }));
    let from = batch.from;
    for (const part of parts(items, batch.next, target, maxWeight)) {
      await target.commit(part.items, { from, to: part.to, partition: place });
      from = part.to;
      records += part.items.length;
    }
  }

  return {
    name: target.name,
    async progress(partition) {
      const place = partitionOf(partition);
      const stored = await watched(place, null, () => target.progressIn(place));
      const trouble = troubles.get(place);
      if (trouble !== undefined && (trouble.next ?? 0) <= (stored ?? 0)) troubles.delete(place);
      return stored;
    },
    async take(batch) {
      const place = partitionOf(batch);
      await watched(place, batch.next, () => commit(place, batch));
      refused.delete(place);
      troubles.delete(place);
    },
    records: () => records,
    troubles() {
      for (const [place, { atMs }] of troubles) if (now() - atMs >= forgetMs) troubles.delete(place);
      return new Map([...troubles].map(([place, { message }]) => [place, message]));
    },
  };
}

/** "device-events/3": what its progress is stored under. */
export function partitionOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
