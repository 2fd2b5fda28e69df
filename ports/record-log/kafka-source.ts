/** Reading the log from Kafka: consuming in a group with progress of our own, and following for live views. */
import { randomUUID } from "node:crypto";
import type { Admin, Kafka, KafkaMessage } from "kafkajs";
import type { RecordReader } from "../record-codec/codec.ts";
import { type BackOff, pause } from "./back-off.ts";
import { decodeRecord } from "./codec.ts";
import { isFinal, type KafkaOptions, kafkaTopic, openKafkaClient } from "./kafka-client.ts";
import { readGroup } from "./kafka-group.ts";
import { PartitionReading, placeOf, type Unreadable } from "./partition-reading.ts";
import type {
  Consumption,
  KeptOffsets,
  LogConsumer,
  LoggedRecord,
  LogTopic,
  Partition,
  RecordPlaces,
  RecordSource,
} from "./port.ts";

export type KafkaSourceOptions = KafkaOptions & {
  /** How records are read; without one, the JSON of earlier releases alone. */
  readonly codec?: Pick<RecordReader, "decode" | "learnFrom">;
  /** R5, per partition; 10,000. */
  readonly copyWindow?: number;
  /** A batch holds at most so many records; 5,000. */
  readonly maxRecords?: number;
  /** Where there is little to read, it lets more come together for so long; 0: takes at once what there is. */
  readonly lingerMs?: number;
  /** And about so many bytes of the log; 1 MiB. */
  readonly maxBytes?: number;
  /** A member of a group that is not heard of for so long loses its partitions; 6,000, the least that brokers allow. */
  readonly sessionTimeoutMs?: number;
  /** Batches of so many partitions are taken at once; 4. */
  readonly concurrency?: number;
  readonly backOff?: BackOff;
  /** Told what following and the source itself get over; consumers have their own. */
  readonly onTrouble?: (error: Error) => void;
};

export type KafkaSource = RecordSource &
  RecordPlaces & {
    /** Ends its own connection. Consumptions and followings are stopped by who started them. */
    close(): Promise<void>;
  };

export function openKafkaSource(options: KafkaSourceOptions): KafkaSource {
  const { prefix = "", copyWindow = 10_000, maxRecords = 5_000, onTrouble = () => {} } = options;
  const codec = options.codec ?? jsonOnly;
  const kafka = openKafkaClient(options);
  const offsets = openOffsets(kafka, prefix);
  const closing = new AbortController();
  const group = {
    prefix,
    sessionTimeoutMs: options.sessionTimeoutMs ?? 6_000,
    maxBytesPerPartition: options.maxBytes ?? 1024 * 1024,
    lingerMs: options.lingerMs ?? 0,
    concurrency: options.concurrency ?? 4,
    backOff: options.backOff ?? { firstMs: 200, maxMs: 5_000 },
  };

  return {
    async consume(consumer) {
      const tell = consumer.onTrouble ?? onTrouble;
      const readings = new Map<string, PartitionReading>();
      const reader = readGroup(kafka, {
        ...group,
        group: () => `${prefix}${consumer.group}`,
        topics: consumer.topics,
        fromBeginning: true,
        async begin(partition) {
          const stored = await consumer.progress(partition);
          const kept = await offsets.of(partition, stored ?? 0);
          const reading = new PartitionReading(partition, stored, kept, { copyWindow, maxRecords, onTrouble: tell });
          readings.set(placeOf(partition), reading);
          return reading.next;
        },
        async take(partition, messages, goesOn) {
          const reading = readings.get(placeOf(partition))!;
          const end = messages.length === 0 ? reading.next : Number(messages.at(-1)!.offset) + 1;
          // Rejects while the registry is away: then the batch comes again.
          await codec.learnFrom(messages.map(({ value }) => value));
          const read = messages.map((message) => readMessage(message, codec));
          for (const batch of reading.batches(read, end)) {
            if (!goesOn()) break;
            await consumer.take(batch);
          }
          return reading.next;
        },
        committable: (partition) => readings.get(placeOf(partition))?.progress ?? null,
        onTrouble: tell,
      });
      return { lag: () => lagOf(consumer, offsets), stop: reader.stop, closed: reader.closed };
    },

    async follow(topics, take) {
      const next = new Map<string, number>();
      for (const topic of topics) {
        for (const [partition, { end }] of await untilThere(
          () => offsets.ofTopic(topic, true),
          onTrouble,
          closing.signal,
        ))
          next.set(placeOf({ topic, partition }), end);
      }
      let groupId = "";
      const reader = readGroup(kafka, {
        ...group,
        group() {
          groupId = `${prefix}${options.clientId}-follow-${randomUUID()}`; // kafkajs reads in groups only: a group of one
          return groupId;
        },
        topics,
        fromBeginning: false,
        async begin(partition) {
          const reached = next.get(placeOf(partition)) ?? null;
          const kept = await offsets.of(partition, reached ?? 0);
          return reached === null ? kept.end : Math.min(Math.max(reached, kept.low), kept.end);
        },
        async take(partition, messages) {
          await codec.learnFrom(messages.map(({ value }) => value));
          const read = messages.map((message) => readMessage(message, codec));
          const records = read.filter((item): item is LoggedRecord => !("error" in item));
          if (records.length > 0) take(records);
          const end = Number(messages.at(-1)!.offset) + 1;
          next.set(placeOf(partition), end);
          return end;
        },
        onTrouble,
      });
      return {
        async stop() {
          await reader.stop();
          await offsets.deleteGroup(groupId);
        },
      };
    },

    kept: (topic) => offsets.ofTopic(topic, true),
    offsetsAt: (topic, epochMs) => offsets.at(topic, epochMs),

    async close() {
      closing.abort();
      await offsets.close();
    },
  };
}

const jsonOnly: Pick<RecordReader, "decode" | "learnFrom"> = { decode: decodeRecord, learnFrom: async () => {} };

function readMessage(
  { key, value, offset }: KafkaMessage,
  codec: Pick<RecordReader, "decode">,
): LoggedRecord | Unreadable {
  try {
    return codec.decode(key, value, Number(offset));
  } catch (error) {
    return { offset: Number(offset), error: error as Error };
  }
}

/** Of every partition of the consumer's topics, whichever member of the group has it. */
async function lagOf(consumer: LogConsumer, offsets: Offsets): ReturnType<Consumption["lag"]> {
  const lags = consumer.topics.map(async (topic) => {
    const kept = await offsets.ofTopic(topic);
    return Promise.all(
      [...kept].map(async ([partition, { low, end }]) => {
        const progress = (await (consumer.stored ?? consumer.progress)({ topic, partition })) ?? low;
        return { topic, partition, progress, end: Math.max(progress, end) }; // the end may be of a second ago
      }),
    );
  });
  return (await Promise.all(lags)).flat();
}

/** Which offsets Kafka keeps. Asked anew when the last answer is older than a second. */
type Offsets = {
  ofTopic(topic: LogTopic, anew?: boolean): Promise<ReadonlyMap<number, KeptOffsets>>;
  /** An answer from before the log reached `reached` does not do. */
  of(partition: Partition, reached: number): Promise<KeptOffsets>;
  at(topic: LogTopic, epochMs: number): Promise<ReadonlyMap<number, number>>;
  deleteGroup(group: string): Promise<void>;
  close(): Promise<void>;
};

const cachedMs = 1_000;

function openOffsets(kafka: Kafka, prefix: string): Offsets {
  let opened: Promise<Admin> | null = null;
  const answers = new Map<LogTopic, { untilMs: number; answer: Promise<ReadonlyMap<number, KeptOffsets>> }>();

  async function ask<Answer>(question: (admin: Admin) => Promise<Answer>): Promise<Answer> {
    opened ??= connectAdmin(kafka);
    const mine = opened;
    try {
      return await question(await mine);
    } catch (error) {
      if (opened === mine) opened = null;
      void mine.then((admin) => admin.disconnect()).catch(() => {});
      throw error;
    }
  }

  async function fetch(topic: LogTopic): Promise<ReadonlyMap<number, KeptOffsets>> {
    const found = await ask((admin) => admin.fetchTopicOffsets(kafkaTopic(topic, prefix)));
    return new Map(found.map(({ partition, low, high }) => [partition, { low: Number(low), end: Number(high) }]));
  }

  const ofTopic: Offsets["ofTopic"] = (topic, anew = false) => {
    const last = answers.get(topic);
    if (last !== undefined && !anew && performance.now() < last.untilMs) return last.answer;
    const answer = fetch(topic);
    answers.set(topic, { untilMs: performance.now() + cachedMs, answer });
    answer.catch(() => answers.delete(topic));
    return answer;
  };

  return {
    ofTopic,
    async of({ topic, partition }, reached) {
      let kept = (await ofTopic(topic)).get(partition);
      if (kept !== undefined && kept.end < reached) kept = (await ofTopic(topic, true)).get(partition);
      if (kept === undefined) throw new Error(`Kafka knows no partition ${partition} of ${kafkaTopic(topic, prefix)}`);
      return kept;
    },
    async at(topic, epochMs) {
      const found = await ask((admin) => admin.fetchTopicOffsetsByTimestamp(kafkaTopic(topic, prefix), epochMs));
      return new Map(found.map(({ partition, offset }) => [partition, Number(offset)]));
    },
    async deleteGroup(group) {
      await ask((admin) => admin.deleteGroups([group])).catch(() => {}); // Kafka forgets empty groups by itself, later
    },
    async close() {
      await (await opened?.catch(() => null))?.disconnect();
      opened = null;
    },
  };
}

async function connectAdmin(kafka: Kafka): Promise<Admin> {
  const admin = kafka.admin();
  await admin.connect();
  return admin;
}

async function untilThere<Answer>(
  ask: () => Promise<Answer>,
  onTrouble: (error: Error) => void,
  cut: AbortSignal,
): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (isFinal(error) || cut.aborted) throw error;
      onTrouble(error as Error);
      await pause(1_000, cut);
    }
  }
}
