/**
 * Publishing to Kafka with kafkajs: acks=all, idempotent, one request at a time (group-commit.ts), the partition by
 * murmur2 of the device id, as every Kafka client chooses it.
 *
 * K1 An idempotent producer numbers its messages per partition. After an error nobody knows which numbers the broker
 *    has seen, and it may refuse all further ones (OUT_OF_ORDER_SEQUENCE_NUMBER, UNKNOWN_PRODUCER_ID, INVALID_PRODUCER_EPOCH),
 *    so after any error that reaches us the producer is made anew, and the same request is sent first (R2). What was
 *    written in spite of the error is then there twice, with the same ids (R3).
 * K2 kafkajs 2.2.4 leaves out partitions whose leader moves between two of its attempts to a broker that has answered
 *    already: a request counts only when an answer came for each of its partitions.
 */
import kafkajs, { type CompressionTypes, type Message, type Producer } from "kafkajs";
import { topicOf } from "../../core/device/records.ts";
import type { RecordCodec } from "../record-codec/codec.ts";
import type { BackOff } from "./back-off.ts";
import { encodeRecord } from "./codec.ts";
import { devicePartitioner } from "./device-partitioner.ts";
import { openGroupCommit } from "./group-commit.ts";
import { type KafkaOptions, kafkaTopic, openKafkaClient, shortRetry } from "./kafka-client.ts";
import type { PublishableRecord, RecordPublisher } from "./port.ts";

export type KafkaPublisherOptions = KafkaOptions & {
  /** On loopback none is cheapest; over a network zstd (by node:zlib) costs least per byte saved. "none" */
  readonly compression?: "none" | "gzip" | "zstd";
  /** How records are written; as JSON without one. */
  readonly codec?: Pick<RecordCodec, "encode">;
  /** How long a first call waits for others to share its request; 2 ms. */
  readonly lingerMs?: number;
  /** How long a call waits for the log before `LogAway`; 30,000. */
  readonly awayAfterMs?: number;
  readonly backOff?: BackOff;
  /** Told of what it gets over by itself. */
  readonly onTrouble?: (error: Error) => void;
};

/** A record that no broker would take, however often it is sent. The limit is the topics' max.message.bytes. */
export class RecordTooLarge extends Error {
  override readonly name = "RecordTooLarge";
  readonly code = "RECORD_TOO_LARGE";
  readonly retry = "never";
}

/** What `ensureTopics` sets as max.message.bytes: a packet of 256 KiB whose every byte JSON writes as six, and more. */
export const maxMessageBytes = 2 * 1024 * 1024;

/** Below the limit of a batch, which is per partition: a request stays below it even if all goes to one partition. */
const maxRequestBytes = 768 * 1024;
/** kafkajs sorts a request's messages into partitions in quadratic time. */
const maxRequestMessages = 1_000;
/** For the batch's and the record's own headers. */
const headroom = 1_024;

type Encoded = { readonly topic: string; readonly message: Message; readonly bytes: number };

/** Connects with the first records: Kafka need not be there yet. */
export function openKafkaPublisher(options: KafkaPublisherOptions): RecordPublisher {
  const { prefix = "", lingerMs = 2, awayAfterMs = 30_000 } = options;
  const { None, GZIP, ZSTD } = kafkajs.CompressionTypes;
  const compression = { none: None, gzip: GZIP, zstd: ZSTD }[options.compression ?? "none"];
  const encodeValue = options.codec?.encode ?? encodeRecord;
  const kafka = openKafkaClient(options);
  let session: ProducerSession | null = null;

  const commit = openGroupCommit<Encoded>({
    lingerMs,
    awayAfterMs,
    backOff: options.backOff ?? { firstMs: 50, maxMs: 500 },
    maxMessages: maxRequestMessages,
    maxWeight: maxRequestBytes,
    weigh: ({ bytes }) => bytes,
    onTrouble: (error) => options.onTrouble?.(error),
    async send(messages, cut) {
      session ??= openSession(kafka);
      const mine = session;
      const leave = () => {
        if (session === mine) session = null;
        mine.end();
      };
      cut.addEventListener("abort", leave, { once: true });
      try {
        await mine.send(messages, compression);
      } catch (error) {
        leave(); // K1
        throw error;
      } finally {
        cut.removeEventListener("abort", leave);
      }
    },
  });

  return {
    async publish(records) {
      await commit.add(records.map((record) => encode(record, prefix, encodeValue)));
    },
    async close() {
      await commit.close();
      await session?.end();
      session = null;
    },
  };
}

function encode(record: PublishableRecord, prefix: string, encodeValue: RecordCodec["encode"]): Encoded {
  const value = encodeValue(record);
  const bytes = value.length + record.device.length + 20;
  if (bytes > maxMessageBytes - headroom)
    throw new RecordTooLarge(
      `A ${record.record.kind} record of device "${record.device}" has ${value.length} bytes; the log takes up to ` +
        `${maxMessageBytes - headroom}. Send less in one message.`,
    );
  return { topic: kafkaTopic(topicOf(record.record), prefix), message: { key: record.device, value }, bytes };
}

type ProducerSession = {
  send(messages: readonly Encoded[], compression: CompressionTypes): Promise<void>;
  /** Never rejects. */
  end(): Promise<void>;
};

/** One idempotent producer, from its connection to its first error. */
function openSession(kafka: ReturnType<typeof openKafkaClient>): ProducerSession {
  /** Topic and partition of every message of the request under way. */
  const asked = new Set<string>();
  const producer: Producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: () => devicePartitioner((place) => asked.add(place)),
    retry: { ...shortRetry, retries: 5 },
  });
  let connected: Promise<void> | null = null;

  return {
    async send(messages, compression) {
      connected ??= producer.connect();
      await connected;
      asked.clear();
      const answers = await producer.sendBatch({
        acks: -1,
        timeout: 8_000,
        compression,
        topicMessages: byTopic(messages),
      });
      for (const { topicName, partition } of answers) asked.delete(`${topicName}/${partition}`);
      if (asked.size > 0) throw new Error(`no broker answered for ${[...asked].join(", ")}`); // K2
    },
    async end() {
      await connected?.catch(() => {});
      await producer.disconnect().catch(() => {});
    },
  };
}

function byTopic(messages: readonly Encoded[]): { topic: string; messages: Message[] }[] {
  const topics = new Map<string, Message[]>();
  for (const { topic, message } of messages) {
    const list = topics.get(topic);
    if (list === undefined) topics.set(topic, [message]);
    else list.push(message);
  }
  return [...topics].map(([topic, list]) => ({ topic, messages: list }));
}
