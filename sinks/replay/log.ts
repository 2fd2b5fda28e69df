/** A log to be replayed, whichever it is: parts of its partitions, each in order, to their ends. */
import type { EventLogReader } from "../../ports/event-log/port.ts";
import { pause } from "../../ports/record-log/back-off.ts";
import { placeOf } from "../../ports/record-log/partition-reading.ts";
import type { LogTopic, RecordPlaces, RecordSource } from "../../ports/record-log/port.ts";
import type { LogItem } from "../consumer.ts";
import { NotInLog, type PlacedPartition, type Position, type ReplayRange } from "./position.ts";

/** Items of a partition; none where they were copies or not asked for: progress moves all the same. */
export type ReplayBatch = {
  readonly partition: string;
  readonly items: readonly LogItem[];
  readonly from: number;
  readonly next: number;
};

export type ReplayLog = {
  /** What each partition keeps, and where these positions are in it. */
  partitions(topics: readonly LogTopic[], positions: readonly Position[]): Promise<PlacedPartition[]>;
  /**
   * Gives the ranges to `take`, batch after batch, those of a partition in order. Ends after the last one, or after the
   * batch under way when `stop` aborts. Rejects with what `take` rejects with.
   * @throws NotInLog when retention was quicker
   */
  read(
    topics: readonly LogTopic[],
    ranges: readonly Pick<ReplayRange, "partition" | "from" | "to">[],
    take: (batch: ReplayBatch) => Promise<void>,
    stop: AbortSignal,
  ): Promise<void>;
};

const batchRecords = 5_000;

export function embeddedReplayLog(log: Pick<EventLogReader, "read" | "start" | "end" | "offsetAt">): ReplayLog {
  return {
    async partitions(_, positions) {
      const [low, end] = [await log.start(), await log.end()];
      const found = new Map<Position, number>();
      for (const position of positions)
        if (position.kind === "time") found.set(position, await log.offsetAt(position.atMs));
      return [{ partition: "", low, end, offsetAt: (position) => found.get(position)! }];
    },
    async read(_, ranges, take, stop) {
      for (const { partition, from, to } of ranges) {
        for (let at = from; at < to && !stop.aborted; ) {
          const { entries, next } = await log.read(at, Math.min(batchRecords, to - at));
          const first = entries[0]?.offset;
          if (first === undefined || first > at) throw trimmed("the log", at, await log.start());
          const items = entries.filter(({ offset }) => offset < to);
          await take({ partition, items, from: at, next: Math.min(next, to) });
          at = next;
        }
      }
    },
  };
}

/** How often it is looked whether retention took what is still awaited. */
const lookMs = 5_000;

/** @param group a name of its own: nobody else reads under it */
export function kafkaReplayLog(
  source: RecordSource & RecordPlaces,
  group: string,
  tell: (error: Error) => void,
): ReplayLog {
  return {
    async partitions(topics, positions) {
      const placed: PlacedPartition[] = [];
      for (const topic of topics) {
        const kept = await source.kept(topic);
        const found = new Map<Position, ReadonlyMap<number, number>>();
        for (const position of positions)
          if (position.kind === "time") found.set(position, await source.offsetsAt(topic, position.atMs));
        for (const [partition, { low, end }] of [...kept].sort(([a], [b]) => a - b))
          placed.push({
            ...{ partition: placeOf({ topic, partition }), low, end },
            offsetAt: (position) => found.get(position)?.get(partition) ?? end,
          });
      }
      return placed;
    },

    async read(topics, ranges, take, stop) {
      const open = new Map(ranges.filter(({ from, to }) => from < to).map((range) => [range.partition, range]));
      if (open.size === 0 || stop.aborted) return;
      const at = new Map(ranges.map(({ partition, from }) => [partition, from]));
      const ended = Promise.withResolvers<void>();
      const end = () => ended.resolve();
      stop.addEventListener("abort", end, { once: true });
      let failed = false;
      const consumption = await source.consume({
        group,
        topics,
        progress: async (partition) => at.get(placeOf(partition)) ?? null,
        async take({ topic, partition, records, next }) {
          const place = placeOf({ topic, partition });
          const range = open.get(place);
          if (range === undefined || failed || stop.aborted) return void at.set(place, next);
          const items = records
            .filter(({ offset }) => offset < range.to)
            .map((entry) => ({ offset: entry.offset, entry }));
          const until = Math.min(next, range.to);
          try {
            if ((items[0]?.offset ?? range.to) > at.get(place)!)
              await checkKept(source, topic, partition, at.get(place)!);
            await take({ partition: place, items, from: Math.min(at.get(place)!, until), next: until });
          } catch (error) {
            failed = true;
            return ended.reject(error);
          }
          at.set(place, next);
          if (next < range.to) return;
          open.delete(place);
          if (open.size === 0) end();
        },
        onTrouble: tell,
      });
      consumption.closed.then(end, ended.reject);
      const watching = new AbortController();
      void watch(source, topics, open, at, watching.signal).catch(ended.reject);
      try {
        await ended.promise;
      } finally {
        stop.removeEventListener("abort", end);
        watching.abort();
        await consumption.stop();
      }
    },
  };
}

/** Offsets have gaps of their own; here it may be one that retention made. */
async function checkKept(source: RecordPlaces, topic: LogTopic, partition: number, next: number): Promise<void> {
  const low = (await source.kept(topic)).get(partition)?.low ?? 0;
  if (next < low) throw trimmed(placeOf({ topic, partition }), next, low);
}

/** Rejects when what comes next in a partition is no longer kept. */
async function watch(
  source: RecordPlaces,
  topics: readonly LogTopic[],
  open: ReadonlyMap<string, unknown>,
  at: ReadonlyMap<string, number>,
  stop: AbortSignal,
): Promise<void> {
  for (; !stop.aborted; await pause(lookMs, stop)) {
    for (const topic of topics) {
      const kept = await source.kept(topic).catch(() => new Map()); // away for a while: reading waits for it, too
      for (const [partition, { low }] of kept) {
        const place = placeOf({ topic, partition });
        const next = open.has(place) ? at.get(place)! : low;
        if (next < low) throw trimmed(place, next, low);
      }
    }
  }
}

function trimmed(place: string, at: number, low: number): NotInLog {
  return new NotInLog(
    `${place} no longer has offset ${at}: retention has taken what was before ${low} meanwhile. ` +
      "Keep the log for longer (DOPPEL_LOG_RETENTION_DAYS), or replay from there on: --from earliest --anew.",
  );
}
