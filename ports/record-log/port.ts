import type { TwinRecord } from "../../core/device/records.ts";

/** A record on its way to the log. `id` is unique per device and the same however often it is published. */
export type PublishableRecord = { readonly id: string; readonly device: string; readonly record: TwinRecord };

/** One of the log's topics (`topicOf` in core/device/records.ts says which a record belongs to). */
export type LogTopic = "iot-telemetry" | "device-events" | "dead-letter";
export const logTopics: readonly LogTopic[] = ["iot-telemetry", "device-events", "dead-letter"];

/** A sequence of its own within a topic. A device is always in the same one. */
export type Partition = { readonly topic: LogTopic; readonly partition: number };

/** A record as it stands in the log. `offset` grows within the partition, with gaps. */
export type LoggedRecord = PublishableRecord & { readonly offset: number };

/**
 * The log of the distributed mode: many writers, partitions, at least once.
 *
 * R1 `publish` resolves when every record is on all in-sync replicas. It rejects only when it was closed or when the log
 *    is away for longer than it is prepared to wait (`LogAway`): then some may be there, some not; publish all again.
 *    (Kafka: also, at once and with nothing of the call published, when a record is too large for any broker.)
 * R2 Records of one device and topic are in the log in the order in which they were first published by this publisher.
 * R3 Calls under way share requests (group commit); what is published twice may be there twice, with the same id.
 */
export interface RecordPublisher {
  publish(records: readonly PublishableRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** The log does not take records for the time being: nothing is lost while the caller keeps what it has. */
export class LogAway extends Error {
  override readonly name = "LogAway";
  readonly code = "LOG_AWAY";
  readonly retry = "later";
}

/**
 * Some records of one partition, in order; none when all that was read were copies: take its progress all the same.
 * `from` is where the consumer's progress stands, `next` where it goes on.
 */
export type LogBatch = Partition & {
  readonly records: readonly LoggedRecord[];
  readonly from: number;
  readonly next: number;
};

/** What a consumer does with the log. */
export type LogConsumer = {
  /** Names the group: its members share the partitions. */
  readonly group: string;
  readonly topics: readonly LogTopic[];
  /** Where the consumer stands in the partition; null: it has never been there (it begins at the oldest record). */
  readonly progress: (partition: Partition) => Promise<number | null>;
  /** The same for `lag`, where `progress` begins the partition anew; absent: `progress`. */
  readonly stored?: (partition: Partition) => Promise<number | null>;
  /**
   * Takes a batch with its effect and its progress in one transaction. Batches of a partition come one after another.
   * When it rejects, the batch comes again after a pause, from the progress as it is stored then.
   */
  readonly take: (batch: LogBatch) => Promise<void>;
  /** Told of what it gets over by itself: a broker that is away, a batch that failed. */
  readonly onTrouble?: (error: Error) => void;
};

/**
 * Reading the log.
 *
 * R4 Every record comes to `take`, in order per partition, until its progress is stored.
 * R5 A copy (same device and id) of a record that came within the newest `copyWindow` records of its partition does not
 *    come again, also over a restart of the consumer. (Copies are made by crashes: they are near to each other.)
 * R6 A record that cannot be read does not stop the others: it is told as trouble, with its place.
 */
export interface RecordSource {
  consume(consumer: LogConsumer): Promise<Consumption>;
  /** From now on, every partition, outside of any group: what live views need. Nothing is promised over a gap. */
  follow(topics: readonly LogTopic[], take: (records: readonly LoggedRecord[]) => void): Promise<Following>;
}

/** Which offsets of a partition are kept: from `low` to before `end`. */
export type KeptOffsets = { readonly low: number; readonly end: number };

/** Where times and ends are in the log: for who reads a part of it (replay). */
export interface RecordPlaces {
  /** By number of the partition, as it is now. */
  kept(topic: LogTopic): Promise<ReadonlyMap<number, KeptOffsets>>;
  /** By number of the partition: the first offset whose record was published at `epochMs` or later, else the end. */
  offsetsAt(topic: LogTopic, epochMs: number): Promise<ReadonlyMap<number, number>>;
}

export type Consumption = {
  /** By partition: where the consumer stands and where the log ends. */
  lag(): Promise<readonly (Partition & { readonly progress: number; readonly end: number })[]>;
  /** Ends after the batches under way. */
  stop(): Promise<void>;
  /** Rejects when consuming ended for good. */
  readonly closed: Promise<void>;
};

export type Following = { stop(): Promise<void> };
