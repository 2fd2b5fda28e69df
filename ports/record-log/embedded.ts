/**
 * The embedded event log (ports/event-log) seen as a record log: one writer, one partition per topic. All topics are in
 * one sequence, so a partition's offsets have gaps where the other topics' records are.
 *
 * A record's id is kept as `recordId` in the stored record; records that the embedded mode itself wrote have none, and
 * are known by their offset: there are no copies of them.
 */
import { type TwinRecord, topicOf } from "../../core/device/records.ts";
import { type EventLog, type EventLogReader, LogBroken, type LogEntry } from "../event-log/port.ts";
import type { BackOff } from "./back-off.ts";
import { openGroupCommit } from "./group-commit.ts";
import { consumptionOf, followByPolling, type PollableLog, pollPartitions } from "./polling.ts";
import type { LoggedRecord, RecordPublisher, RecordSource } from "./port.ts";

/** Publishes as the log's only writer. After `LogBroken` every call is rejected with it: the process has to end. */
export function openEmbeddedPublisher(
  log: Pick<EventLog, "append">,
  { awayAfterMs = 30_000 }: { awayAfterMs?: number } = {},
): RecordPublisher {
  const commit = openGroupCommit<LogEntry>({
    send: async (entries) => void (await log.append(entries)),
    weigh: () => 1,
    maxMessages: 5_000,
    maxWeight: 5_000,
    lingerMs: 0,
    awayAfterMs,
    backOff: { firstMs: 50, maxMs: 2_000 },
    isFinal: (error) => error instanceof LogBroken,
    onTrouble: () => {},
  });
  return {
    publish: (records) =>
      commit.add(records.map(({ id, device, record }) => ({ device, record: { ...record, recordId: id } }))),
    close: commit.close,
  };
}

/** Reads beside the writer. A group has one member only: whoever joins reads everything. */
export function openEmbeddedSource(
  log: Pick<EventLogReader, "read" | "start" | "end">,
  {
    copyWindow = 10_000,
    maxRecords = 5_000,
    pollMs = 100,
    backOff = { firstMs: 200, maxMs: 5_000 },
  }: { copyWindow?: number; maxRecords?: number; pollMs?: number; backOff?: BackOff } = {},
): RecordSource {
  const options = { copyWindow, maxRecords, pollMs, backOff };
  const pollable: PollableLog = {
    partitions: (topic) => [{ topic, partition: 0 }],
    kept: async () => ({ low: await log.start(), end: await log.end() }),
    async read({ topic }, offset, atMost) {
      const { entries, next } = await log.read(offset, atMost);
      return { items: entries.filter(({ entry }) => topicOf(entry.record) === topic).map(logged), next };
    },
  };
  return {
    async consume(consumer) {
      const partitions = consumer.topics.flatMap((topic) => pollable.partitions(topic));
      const running = pollPartitions(pollable, consumer, partitions, options);
      return consumptionOf(pollable, consumer, running.stop);
    },
    follow: (topics, take) => followByPolling(pollable, topics, take, options),
  };
}

function logged({ offset, entry }: { offset: number; entry: LogEntry }): LoggedRecord {
  const { recordId = `offset-${offset}`, ...record } = entry.record as TwinRecord & { recordId?: string };
  return { offset, id: recordId, device: entry.device, record: record as TwinRecord };
}
