/**
 * Reads assigned partitions of a consumer group from positions of our own, and comes back from whatever Kafka does.
 * What is read, and from where, is the caller's: consuming and following are two of them (kafka-source.ts).
 *
 * G1 A partition is read from where `begin` says, at each assignment and after each failed batch; it is paused until
 *    `begin` has answered. The offsets committed to Kafka are for tools to look at.
 * G2 kafkajs may hand over a batch that was fetched before the seek: one that was not fetched at the position is dropped.
 * G3 A partition whose batch failed waits alone; the others go on. Batches of one come one after another, also when
 *    kafkajs joins the group again while one is under way.
 * G4 A consumer that ended, or has not fetched for a minute, is replaced, unless no repetition can help.
 */
import type { EachBatchPayload, Kafka, KafkaMessage } from "kafkajs";
import { type BackOff, pause, pauseAfter } from "./back-off.ts";
import { isFinal, kafkaTopic, logTopicOf, shortRetry } from "./kafka-client.ts";
import { placeOf } from "./partition-reading.ts";
import type { LogTopic, Partition } from "./port.ts";

export type GroupReading = {
  /** The group's id, asked for each kafkajs consumer: one that died keeps its partitions until its session ends. */
  readonly group: () => string;
  readonly topics: readonly LogTopic[];
  readonly prefix: string;
  /** Where a partition without a position is read from when the group has none either. */
  readonly fromBeginning: boolean;
  readonly sessionTimeoutMs: number;
  readonly maxBytesPerPartition: number;
  /** A fetch waits so long for `lingerBytes`; 0: for anything. */
  readonly lingerMs: number;
  /** Batches of so many partitions are taken at once. */
  readonly concurrency: number;
  readonly backOff: BackOff;
  /** The offset to read from. When it rejects, it is asked again after a pause. */
  readonly begin: (partition: Partition) => Promise<number>;
  /**
   * Takes what was read; resolves with the offset to go on from. When it rejects: a pause, then `begin`. It ends early
   * when `goesOn` says no: the partition was given to another, or reading stops.
   */
  readonly take: (partition: Partition, messages: readonly KafkaMessage[], goesOn: () => boolean) => Promise<number>;
  /** What to commit to Kafka, where something was taken. */
  readonly committable?: (partition: Partition) => number | null;
  readonly onTrouble: (error: Error) => void;
};

export type GroupReader = {
  stop(): Promise<void>;
  /** Rejects when no repetition can help; resolves when it was stopped. */
  readonly closed: Promise<void>;
};

type Position = { readonly partition: Partition; next: number | null; failures: number };

const heartbeatMs = 1_500;
const commitEveryMs = 1_000;
const silentMs = 60_000;
/** Of the log, over all partitions: some hundred messages. */
const lingerBytes = 64 * 1024;

export function readGroup(kafka: Kafka, reading: GroupReading): GroupReader {
  const { prefix, backOff, onTrouble } = reading;
  const stopping = new AbortController();
  /** By partition: the batch under way. */
  const underWay = new Map<string, Promise<void>>();
  const closed = run();
  closed.catch(() => {}); // whoever waits for it is told; nobody has to

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const startedMs = performance.now();
      try {
        await readUntilItEnds();
      } catch (error) {
        if (isFinal(error)) throw error;
        onTrouble(asError(error));
      }
      failures = performance.now() - startedMs > silentMs ? 1 : failures + 1;
      await pause(pauseAfter(failures, backOff), stopping.signal);
    }
  }

  /** One kafkajs consumer, from its connection to its end. Rejects with what ended it, resolves when stopped. */
  async function readUntilItEnds(): Promise<void> {
    const groupId = reading.group();
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: reading.sessionTimeoutMs,
      heartbeatInterval: heartbeatMs,
      rebalanceTimeout: 30_000,
      // Else stopping and seeking wait for up to 5 s.
      ...(reading.lingerMs > 0
        ? { minBytes: lingerBytes, maxWaitTimeInMs: reading.lingerMs }
        : { maxWaitTimeInMs: 100 }),
      maxBytesPerPartition: reading.maxBytesPerPartition,
      allowAutoTopicCreation: false,
      retry: { ...shortRetry, retries: 5, restartOnFailure: async () => false },
    });
    const ended = Promise.withResolvers<void>();
    ended.promise.catch(() => {});
    let fetchedMs = performance.now();
    let positions = new Map<string, Position>();
    const stop = () => ended.resolve();

    consumer.on(consumer.events.CRASH, ({ payload }) => ended.reject(payload.error));
    consumer.on(consumer.events.FETCH, () => {
      fetchedMs = performance.now();
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      positions = new Map();
      for (const [name, partitions] of Object.entries(payload.memberAssignment)) {
        const topic = logTopicOf(name, prefix);
        if (topic === null) continue;
        for (const partition of partitions) {
          const position: Position = { partition: { topic, partition }, next: null, failures: 0 };
          positions.set(placeOf(position.partition), position);
          void align(position);
        }
      }
    });

    /** G1. Ends early when the assignment is another one by then. */
    async function align(position: Position): Promise<void> {
      const topic = kafkaTopic(position.partition.topic, prefix);
      const { partition } = position.partition;
      const isMine = () => positions.get(placeOf(position.partition)) === position && !stopping.signal.aborted;
      if (!isMine()) return;
      position.next = null;
      consumer.pause([{ topic, partitions: [partition] }]);
      await underWay.get(placeOf(position.partition)); // G3
      if (position.failures > 0) await pause(pauseAfter(position.failures, backOff), stopping.signal);
      while (isMine()) {
        try {
          const next = await reading.begin(position.partition);
          if (!isMine()) return;
          consumer.seek({ topic, partition, offset: String(next) });
          position.next = next;
          consumer.resume([{ topic, partitions: [partition] }]);
          return;
        } catch (error) {
          position.failures += 1;
          onTrouble(asError(error));
          await pause(pauseAfter(position.failures, backOff), stopping.signal);
        }
      }
    }

    async function eachBatch({ batch, heartbeat, resolveOffset }: EachBatchPayload): Promise<void> {
      const topic = logTopicOf(batch.topic, prefix);
      const place = topic && placeOf({ topic, partition: batch.partition });
      const position = place && positions.get(place);
      const { fetchedOffset } = batch as typeof batch & { fetchedOffset: string };
      if (!position || position.next === null || stopping.signal.aborted) return;
      if (Number(fetchedOffset) !== position.next) return void align(position); // G2, or trimmed by retention meanwhile
      const beating = setInterval(() => heartbeat().catch(() => {}), heartbeatMs);
      const taking = takeBatch(position, batch.messages, resolveOffset);
      underWay.set(place, taking);
      await taking;
      underWay.delete(place);
      clearInterval(beating);
      fetchedMs = performance.now();
    }

    async function takeBatch(
      position: Position,
      messages: readonly KafkaMessage[],
      resolveOffset: (offset: string) => void,
    ): Promise<void> {
      const isMine = () => positions.get(placeOf(position.partition)) === position;
      try {
        const next = await reading.take(position.partition, messages, () => isMine() && !stopping.signal.aborted);
        position.next = next;
        position.failures = 0;
        if (isMine()) resolveOffset(String(next - 1));
      } catch (error) {
        onTrouble(asError(error));
        position.failures += 1;
        setImmediate(() => void align(position)); // G3: after this batch is no longer under way
      }
    }

    const committed = new Map<string, number>();
    async function commit(): Promise<void> {
      const due = [...positions.values()].flatMap(({ partition }) => {
        const offset = reading.committable?.(partition) ?? null;
        return offset === null || committed.get(placeOf(partition)) === offset ? [] : [{ partition, offset }];
      });
      if (due.length === 0) return;
      await consumer.commitOffsets(
        due.map(({ partition: { topic, partition }, offset }) => ({
          topic: kafkaTopic(topic, prefix),
          partition,
          offset: String(offset),
        })),
      );
      for (const { partition, offset } of due) committed.set(placeOf(partition), offset);
    }

    const committing = setInterval(() => void commit().catch(() => {}), commitEveryMs);
    const watching = setInterval(() => {
      if (performance.now() - fetchedMs > silentMs)
        ended.reject(new Error(`Kafka has given nothing to the group "${groupId}" for ${silentMs / 1_000} s`));
    }, silentMs / 6);
    stopping.signal.addEventListener("abort", stop, { once: true });
    try {
      if (stopping.signal.aborted) return;
      await consumer.connect();
      const topics = reading.topics.map((topic) => kafkaTopic(topic, prefix));
      await consumer.subscribe({ topics, fromBeginning: reading.fromBeginning });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: reading.concurrency,
        eachBatch,
      });
      await ended.promise;
    } finally {
      clearInterval(committing);
      clearInterval(watching);
      stopping.signal.removeEventListener("abort", stop);
      await Promise.all(underWay.values());
      await commit().catch(() => {});
      await consumer.disconnect().catch(() => {});
    }
  }

  return {
    closed,
    async stop() {
      stopping.abort();
      await closed.catch(() => {});
    },
  };
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
