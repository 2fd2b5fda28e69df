/** The log in memory, for tests: partitions, groups that share them, and the failures that the real one has. */
import { topicOf } from "../../core/device/records.ts";
import { localRecordCodec } from "../record-codec/codec.ts";
import { BadRecord } from "./codec.ts";
import { hash53 } from "./copy-window.ts";
import type { Unreadable } from "./partition-reading.ts";
import { consumptionOf, followByPolling, type PollableLog, type PollingOptions, pollPartitions } from "./polling.ts";
import {
  LogAway,
  type LogConsumer,
  type LoggedRecord,
  type LogTopic,
  type Partition,
  type PublishableRecord,
  type RecordPublisher,
  type RecordSource,
} from "./port.ts";

export type MemoryRecordLog = {
  readonly publisher: RecordPublisher;
  readonly source: RecordSource;
  /** Another publisher on the same log, as another process has. */
  openPublisher(): RecordPublisher;
  /** What is in the topic, partition by partition, copies included. */
  records(topic: LogTopic): LoggedRecord[];
  /** Until `comeBack`, every publish is rejected with `LogAway`, and nothing of it is stored. */
  goAway(): void;
  comeBack(): void;
  /** The next publish is rejected with `LogAway`: with nothing, or all, of its records stored. */
  failNextPublish(stored: "nothing" | "all"): void;
  /** The next publish stores its records so many times. */
  copyNextPublish(times: number): void;
  /** Puts bytes that are no record into partition 0 of the topic. */
  putUnreadable(topic: LogTopic): void;
};

const codec = localRecordCodec();

type Stored = { readonly key: Buffer; readonly value: Buffer };
type Member = { readonly consumer: LogConsumer; running: { stop(): Promise<void> } | null };

export function openMemoryRecordLog({
  partitions = 4,
  copyWindow = 10_000,
  maxRecords = 5_000,
}: {
  partitions?: number;
  copyWindow?: number;
  maxRecords?: number;
} = {}): MemoryRecordLog {
  const stored = new Map<string, Stored[]>();
  const groups = new Map<string, Group>();
  let away = false;
  let failNext: "nothing" | "all" | null = null;
  let copies = 1;

  const options: PollingOptions = { copyWindow, maxRecords, pollMs: 5, backOff: { firstMs: 10, maxMs: 200 } };
  const log: PollableLog = {
    partitions: (topic) => Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    kept: async (partition) => ({ low: 0, end: kept(partition).length }),
    async read(partition, offset, atMost) {
      const items = kept(partition)
        .slice(offset, offset + atMost)
        .map((entry, index) => decode(entry, offset + index));
      return { items, next: offset + items.length };
    },
  };

  function kept({ topic, partition }: Partition): Stored[] {
    const place = `${topic}/${partition}`;
    const list = stored.get(place) ?? [];
    stored.set(place, list);
    return list;
  }

  function append({ id, device, record }: PublishableRecord): void {
    const partition = hash53(device, "") % partitions;
    kept({ topic: topicOf(record), partition }).push({ key: Buffer.from(device), value: codec.encode({ id, record }) });
  }

  function openPublisher(): RecordPublisher {
    let closed = false;
    return {
      async publish(records) {
        if (closed) throw new Error("The log was closed: nothing is published any more.");
        const [failure, times] = [failNext, copies];
        [failNext, copies] = [null, 1];
        if (away || failure === "nothing") throw new LogAway("The memory log was told to be away. Publish again.");
        for (let time = 0; time < times; time += 1) for (const record of records) append(record);
        await null;
        if (failure === "all") throw new LogAway("The memory log was told to lose its answer. Publish again.");
      },
      async close() {
        closed = true;
      },
    };
  }

  return {
    publisher: openPublisher(),
    openPublisher,
    source: {
      async consume(consumer) {
        const group = groups.get(consumer.group) ?? openGroup(log, options);
        groups.set(consumer.group, group);
        return consumptionOf(log, consumer, await group.join(consumer));
      },
      follow: (topics, take) => followByPolling(log, topics, take, options),
    },
    records: (topic) =>
      log
        .partitions(topic)
        .flatMap((partition) => kept(partition).map(decode))
        .filter((item): item is LoggedRecord => !("error" in item)),
    goAway() {
      away = true;
    },
    comeBack() {
      away = false;
    },
    failNextPublish(what) {
      failNext = what;
    },
    copyNextPublish(times) {
      copies = times;
    },
    putUnreadable: (topic) =>
      void kept({ topic, partition: 0 }).push({ key: Buffer.from("x"), value: Buffer.from("?") }),
  };
}

function decode({ key, value }: Stored, offset: number): LoggedRecord | Unreadable {
  try {
    return codec.decode(key, value, offset);
  } catch (error) {
    if (!(error instanceof BadRecord)) throw error;
    return { offset, error };
  }
}

type Group = {
  /** Shares the partitions anew; resolves with how to leave. */
  join(consumer: LogConsumer): Promise<() => Promise<void>>;
};

/** Members share every topic's partitions in turn; each change stops all of them for a moment, as in Kafka. */
function openGroup(log: PollableLog, options: PollingOptions): Group {
  let members: Member[] = [];
  let changing: Promise<void> = Promise.resolve();

  function change(to: (members: Member[]) => Member[]): Promise<void> {
    changing = changing.then(async () => {
      await Promise.all(members.map(({ running }) => running?.stop()));
      members = to(members);
      for (const [index, member] of members.entries()) {
        const mine = member.consumer.topics
          .flatMap((topic) => log.partitions(topic))
          .filter(({ partition }) => partition % members.length === index);
        member.running = pollPartitions(log, member.consumer, mine, options);
      }
    });
    return changing;
  }

  return {
    async join(consumer) {
      const member: Member = { consumer, running: null };
      await change((others) => [...others, member]);
      return async () => {
        if (!members.includes(member)) return;
        await member.running?.stop();
        await change((others) => others.filter((other) => other !== member));
      };
    },
  };
}
