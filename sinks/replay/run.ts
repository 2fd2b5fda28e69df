/**
 * A replay: what the log still has, once more through a sink, into the same place or a new one.
 *
 * A1 It can be stopped after any batch, killed at any point, and taken up again: the outcome is that of one run. A batch
 *    whose progress was not stored comes again, so `take` must do no harm twice.
 * A2 In the place of the running system it never goes beyond what the sink itself has taken: the rest is the sink's.
 */
import type { LogTopic } from "../../ports/record-log/port.ts";
import { defaultLimits, type LogItem, parts } from "../consumer.ts";
import type { ReplayLog } from "./log.ts";
import { type Position, type ReplayRange, rangesOf } from "./position.ts";
import type { BegunRange, ReplayProgress } from "./progress.ts";

/** What is done with the records. */
export type ReplayWork = {
  readonly topics: readonly LogTopic[];
  /** What the item adds to a transaction, in rows. */
  weigh(item: LogItem): number;
  /** A2. Null: it may go to the log's end. */
  readonly sinkProgress: ((partition: string) => Promise<number | null>) | null;
  /** Of work that gathers records: up to where they are stored, which is all that the replay's progress may say. */
  readonly storedIn?: (partition: string) => Promise<number | null>;
  /** Before the first batch of a replay that begins. */
  begin(ranges: readonly ReplayRange[]): Promise<void>;
  /** May come again with the same items. */
  take(
    items: readonly LogItem[],
    move: { readonly partition: string; readonly from: number; readonly to: number },
  ): Promise<void>;
  /** After the last batch; may come again. Says what was done, for people. */
  finish(ranges: readonly ReplayRange[]): Promise<string>;
};

export type ReplayReport = {
  /** Offsets to go through, and how many are behind us, earlier runs included. */
  readonly total: number;
  readonly done: number;
};

export type ReplayRequest = {
  readonly log: ReplayLog;
  readonly work: ReplayWork;
  readonly progress: ReplayProgress;
  readonly from: Position;
  readonly to: Position;
  /** The positions as they were written, for messages. */
  readonly words: { readonly from: string; readonly to: string };
  readonly stop: AbortSignal;
  /** After each batch, and once at the beginning; `resumed`: an earlier run had begun. */
  readonly onProgress?: (report: ReplayReport & { readonly resumed: boolean }) => void;
};

export type ReplayOutcome =
  | (ReplayReport & { readonly kind: "done"; readonly summary: string })
  | (ReplayReport & { readonly kind: "stopped" });

/** @throws NotInLog, and whatever log and sink throw: what was done until then stays, and it can be taken up again */
export async function runReplay(request: ReplayRequest): Promise<ReplayOutcome> {
  const { log, work, progress, stop, onProgress = () => {} } = request;
  const before = await progress.begun();
  const ranges = before ?? (await begin(request));
  const total = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  let done = ranges.reduce((sum, { from, at }) => sum + at - from, 0);
  const report = () => onProgress({ total, done, resumed: before !== null });
  report();

  const noted = new Map(ranges.map(({ partition, at }) => [partition, at]));
  async function note(partition: string, taken: number): Promise<void> {
    const before = noted.get(partition)!;
    const to = work.storedIn === undefined ? taken : Math.min(taken, (await work.storedIn(partition)) ?? before);
    if (to <= before) return;
    await progress.move(partition, before, to);
    noted.set(partition, to);
  }
  const rest = ranges.map(({ partition, at, to }) => ({ partition, from: at, to }));
  await log.read(
    work.topics,
    rest,
    async ({ partition, items, from, next }) => {
      let at = from;
      for (const part of parts(items, next, work, defaultLimits.maxWeight)) {
        await work.take(part.items, { partition, from: at, to: part.to });
        await note(partition, part.to);
        done += part.to - at;
        at = part.to;
      }
      report();
    },
    stop,
  );
  if (done < total) return { kind: "stopped", total, done };
  const summary = await work.finish(ranges);
  await progress.forget();
  return { kind: "done", total, done, summary };
}

async function begin({ log, work, progress, from, to, words }: ReplayRequest): Promise<BegunRange[]> {
  const found = rangesOf(await log.partitions(work.topics, [from, to]), from, to, words);
  const ranges = await Promise.all(
    found.map(async (range) => {
      if (work.sinkProgress === null) return range;
      const taken = (await work.sinkProgress(range.partition)) ?? range.from;
      return { ...range, to: Math.max(range.from, Math.min(range.to, taken)) }; // A2
    }),
  );
  await progress.begin(ranges); // first: whatever is there then is of this replay
  await work.begin(ranges);
  return ranges.map((range) => ({ ...range, at: range.from }));
}
