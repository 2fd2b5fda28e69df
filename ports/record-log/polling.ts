/** Consuming and following a log that is asked again and again: what memory and the embedded log have in common. */
import { type BackOff, pause, pauseAfter } from "./back-off.ts";
import { PartitionReading, placeOf, type Unreadable } from "./partition-reading.ts";
import type { Consumption, Following, KeptOffsets, LogConsumer, LoggedRecord, LogTopic, Partition } from "./port.ts";

export type PollableLog = {
  partitions(topic: LogTopic): readonly Partition[];
  kept(partition: Partition): Promise<KeptOffsets>;
  /** What is in the partition from `offset` on, about `atMost`; `next` is where to go on, `offset` itself at the end. */
  read(
    partition: Partition,
    offset: number,
    atMost: number,
  ): Promise<{ items: readonly (LoggedRecord | Unreadable)[]; next: number }>;
};

export type PollingOptions = {
  readonly copyWindow: number;
  readonly maxRecords: number;
  /** How long it waits at the end of the log. */
  readonly pollMs: number;
  readonly backOff: BackOff;
};

/** Consumes these partitions until it is stopped. */
export function pollPartitions(
  log: PollableLog,
  consumer: LogConsumer,
  partitions: readonly Partition[],
  options: PollingOptions,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const onTrouble = consumer.onTrouble ?? (() => {});
  const loops = partitions.map(async (partition) => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      try {
        const [stored, kept] = [await consumer.progress(partition), await log.kept(partition)];
        const reading = new PartitionReading(partition, stored, kept, { ...options, onTrouble });
        while (!stopping.signal.aborted) {
          const { items, next } = await log.read(partition, reading.next, options.maxRecords);
          if (next === reading.next) await pause(options.pollMs, stopping.signal);
          for (const batch of reading.batches(items, next)) {
            if (stopping.signal.aborted) break;
            await consumer.take(batch);
            failures = 0;
          }
        }
      } catch (error) {
        failures += 1;
        onTrouble(error instanceof Error ? error : new Error(String(error)));
        await pause(pauseAfter(failures, options.backOff), stopping.signal);
      }
    }
  });
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

export function consumptionOf(log: PollableLog, consumer: LogConsumer, stop: () => Promise<void>): Consumption {
  const ended = Promise.withResolvers<void>();
  return {
    async lag() {
      const partitions = consumer.topics.flatMap((topic) => log.partitions(topic));
      return Promise.all(
        partitions.map(async (partition) => {
          const stored = consumer.stored ?? consumer.progress;
          const [progress, { low, end }] = [await stored(partition), await log.kept(partition)];
          return { ...partition, progress: progress ?? low, end };
        }),
      );
    },
    async stop() {
      await stop();
      ended.resolve();
    },
    closed: ended.promise,
  };
}

/** Follows from the present end of each partition. */
export async function followByPolling(
  log: PollableLog,
  topics: readonly LogTopic[],
  take: (records: readonly LoggedRecord[]) => void,
  options: PollingOptions,
): Promise<Following> {
  const positions = new Map<string, number>();
  const partitions = topics.flatMap((topic) => log.partitions(topic));
  for (const partition of partitions) positions.set(placeOf(partition), (await log.kept(partition)).end);
  return pollPartitions(
    log,
    {
      group: "following",
      topics,
      progress: async (partition) => positions.get(placeOf(partition))!,
      async take({ records, next, ...partition }) {
        positions.set(placeOf(partition), next);
        if (records.length > 0) take(records);
      },
    },
    partitions,
    { ...options, copyWindow: 0 },
  );
}
