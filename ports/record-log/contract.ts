import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type TwinRecord, topicOf } from "../../core/device/records.ts";
import { placeOf } from "./partition-reading.ts";
import type { Consumption, LogBatch, LogConsumer, LoggedRecord, LogTopic, PublishableRecord } from "./port.ts";
import { LogAway, logTopics, type Partition, type RecordPublisher, type RecordSource } from "./port.ts";

export type OpenedRecordLog = {
  readonly publisher: RecordPublisher;
  readonly source: RecordSource;
  readonly close: () => Promise<void>;
  /** What this log can do beyond one writer and one partition; absent where it cannot. */
  readonly capabilities: {
    /** Several publishers write at once, several members of a group share the partitions of a topic. */
    readonly shared?: { readonly openPublisher: () => RecordPublisher; readonly partitions: number };
    /** Makes the log away for publishers whose patience is short; gives the way back. */
    readonly away?: () => Promise<() => Promise<void>>;
    /** Writes bytes that are no record into the topic. */
    readonly putUnreadable?: (topic: LogTopic) => Promise<void>;
  };
};

/** The promises of the record log (port.ts) as tests. `open` gives an empty log with a copy window of at least 100. */
export function recordLogContract(name: string, open: () => Promise<OpenedRecordLog>): void {
  async function opened(): Promise<OpenedRecordLog> {
    const log = await open();
    onTestFinished(log.close);
    return log;
  }

  describe(`${name} as record log`, () => {
    test("every record comes to a consumer, in its topic, in order per device, as it was published (R1, R2, R4)", async () => {
      const { publisher, source } = await opened();
      const published = numbered(0, 60);
      for (const batch of [published.slice(0, 10), [], published.slice(10, 11), published.slice(11)])
        await publisher.publish(batch);
      const store = storeOf();
      await consuming(source, store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(60), patience);
      for (const device of devices) expect(byTopic(store.taken(), device)).toMatchObject(byTopic(published, device));
      for (const { topic, records } of store.batches)
        for (const { record } of records) expect(topic).toBe(topicOf(record));
      store.expectConsecutive();
    });

    test("any string in a record survives: NUL, lone surrogates, newlines, quotes, __proto__", async () => {
      const { publisher, source } = await opened();
      const records = fc.sample(anyRecord, 30).map((record, index) => ({ id: `any-${index}`, device: "pump", record }));
      await publisher.publish(records);
      const store = storeOf();
      await consuming(source, store.consumer(["iot-telemetry"]));
      await vi.waitFor(() => expect(store.taken()).toHaveLength(30), patience);
      expect(store.taken().map(({ id, device, record }) => ({ id, device, record }))).toEqual(records);
    });

    test("calls under way at the same time all resolve, and keep the order of their calls (R2, R3)", async () => {
      const { publisher, source } = await opened();
      const records = Array.from({ length: 300 }, (_, index) => telemetry(index, devices[index % 3]!));
      await Promise.all(records.map((record) => publisher.publish([record])));
      const store = storeOf();
      await consuming(source, store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(300), patience);
      for (const device of devices) expect(store.ids(device)).toEqual(idsOf(records, device));
    });

    test("a device is always in the same partition of a topic", async () => {
      const { publisher, source } = await opened();
      for (let round = 0; round < 3; round += 1) await publisher.publish(numbered(round * 30, 30));
      const store = storeOf();
      await consuming(source, store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(90), patience);
      for (const device of devices)
        for (const topic of logTopics) {
          const at = store.batches.filter(
            (batch) => batch.topic === topic && batch.records.some((record) => record.device === device),
          );
          expect(new Set(at.map(({ partition }) => partition)).size).toBe(1);
        }
    });

    test("a consumer that comes back goes on from its stored progress, and one set back begins again from there", async () => {
      const { publisher, source } = await opened();
      const store = storeOf();
      await publisher.publish(numbered(0, 30));
      const first = await source.consume(store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(30), patience);
      await first.stop();
      await expect(first.closed).resolves.toBeUndefined();
      await publisher.publish(numbered(30, 30));
      const second = await source.consume(store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(60), patience);
      await second.stop();
      store.expectConsecutive();
      store.progress.clear();
      await consuming(source, store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(120), patience);
    });

    test("a batch that failed comes again from the stored progress, and is told (R4)", async () => {
      const { publisher, source } = await opened();
      await publisher.publish(numbered(0, 30));
      const store = storeOf();
      const troubles: Error[] = [];
      let failures = 2;
      await consuming(source, {
        ...store.consumer(),
        async take(batch) {
          if (batch.topic === "device-events" && failures-- > 0) throw new Error("the database is away");
          await store.take(batch);
        },
        onTrouble: (error) => troubles.push(error),
      });
      await vi.waitFor(() => expect(store.taken()).toHaveLength(30), patience);
      for (const device of devices) expect(store.ids(device)).toEqual(idsOf(numbered(0, 30), device));
      store.expectConsecutive();
      expect(troubles.map(({ message }) => message)).toContain("the database is away");
    });

    test("a consumer whose progress cannot be read waits until it can", async () => {
      const { publisher, source } = await opened();
      await publisher.publish(numbered(0, 6));
      const store = storeOf();
      let failures = 3;
      await consuming(source, {
        ...store.consumer(),
        progress: async (partition) => {
          if (failures-- > 0) throw new Error("the database is away");
          return store.progressOf(partition);
        },
      });
      await vi.waitFor(() => expect(store.taken()).toHaveLength(6), patience);
    });

    test("a copy that is near does not come again (R3, R5)", async () => {
      const { publisher, source } = await opened();
      for (const records of [numbered(0, 20), numbered(10, 20), numbered(0, 30), numbered(29, 2)])
        await publisher.publish(records);
      const store = storeOf();
      const consumption = await consuming(source, store.consumer());
      await vi.waitFor(async () => expect(await isAtEnd(consumption)).toBe(true), patience);
      for (const device of devices) expect(store.ids(device)).toEqual(idsOf(numbered(0, 31), device));
      store.expectConsecutive();
    });

    test("a copy that comes after a restart of the consumer does not come again either (R5)", async () => {
      const { publisher, source } = await opened();
      const store = storeOf();
      await publisher.publish(numbered(0, 30));
      const first = await source.consume(store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(30), patience);
      await first.stop();
      await publisher.publish(numbered(15, 20));
      const second = await consuming(source, store.consumer());
      await vi.waitFor(() => expect(store.taken().length).toBeGreaterThanOrEqual(35), patience);
      await vi.waitFor(async () => expect(await isAtEnd(second)).toBe(true), patience);
      expect(store.taken()).toHaveLength(35);
    });

    test("a follower gets what is published from now on, once, and nothing after it was stopped", async () => {
      const { publisher, source } = await opened();
      await publisher.publish(numbered(0, 9));
      const seen: LoggedRecord[] = [];
      const following = await source.follow(["iot-telemetry", "dead-letter"], (records) => void seen.push(...records));
      await publisher.publish(numbered(9, 9));
      await publisher.publish(numbered(18, 9));
      const wanted = numbered(9, 18).filter(({ record }) => record.kind !== "listening");
      await vi.waitFor(() => expect(seen).toHaveLength(wanted.length), patience);
      for (const device of devices) expect(idsOf(seen, device)).toEqual(idsOf(wanted, device));
      await following.stop();
      await publisher.publish(numbered(27, 3));
      expect(seen).toHaveLength(wanted.length);
    });

    test("the lag says where the consumer stands and where the log ends", async () => {
      const { publisher, source } = await opened();
      await publisher.publish(numbered(0, 30));
      const store = storeOf();
      const letters = numbered(0, 30).filter(({ record }) => record.kind === "deadLettered").length;
      const consumption = await consuming(source, store.consumer(["dead-letter"]));
      await vi.waitFor(() => expect(store.taken()).toHaveLength(letters), patience);
      await vi.waitFor(async () => expect(await isAtEnd(consumption)).toBe(true), patience);
      const lags = await consumption.lag();
      expect(new Set(lags.map(({ topic }) => topic))).toEqual(new Set(["dead-letter"]));
      expect(lags.some(({ end }) => end > 0)).toBe(true);
      for (const { progress, end } of lags) expect(progress).toBe(end);
    });

    test("a closed publisher sends what it was given before, and takes nothing more", async () => {
      const { publisher, source } = await opened();
      const last = publisher.publish(numbered(0, 3));
      await publisher.close();
      await last;
      await expect(publisher.publish(numbered(3, 1))).rejects.toThrow("closed");
      const store = storeOf();
      await consuming(source, store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(3), patience);
    });

    test("members of a group share the partitions, and who stays takes over from who leaves", async () => {
      const { publisher, source, capabilities } = await opened();
      if (capabilities.shared === undefined) return; // one reader there: nothing to share
      const other = capabilities.shared.openPublisher();
      onTestFinished(() => other.close());
      const store = storeOf();
      const mine: LogBatch[] = [];
      const theirs: LogBatch[] = [];
      const member = (into: LogBatch[]) => ({
        ...store.consumer(["iot-telemetry"]),
        take: async (batch: LogBatch) => {
          into.push(batch);
          await store.take(batch);
        },
      });
      await consuming(source, member(mine));
      const second = await source.consume(member(theirs));
      const many = (from: number) => Array.from({ length: 64 }, (_, n) => telemetry(from + n, `meter-${n}`));
      let from = 0;
      await vi.waitFor(async () => {
        await Promise.all([publisher.publish(many(from)), other.publish(many(from + 64))]);
        from += 128;
        expect(mine.length > 0 && theirs.length > 0).toBe(true);
      }, patience);
      await vi.waitFor(() => expect(store.taken()).toHaveLength(from), patience);
      await second.stop();
      const before = mine.length;
      await publisher.publish(many(from));
      await vi.waitFor(() => expect(store.taken()).toHaveLength(from + 64), patience);
      const after = mine.slice(before).filter(({ records }) => records.length > 0);
      expect(new Set(after.map(({ partition }) => partition)).size).toBe(capabilities.shared.partitions);
      expect(new Set(store.taken().map(({ id }) => id)).size).toBe(from + 64);
    });

    test("what cannot be read is told with its place and does not stop the rest (R6)", async () => {
      const { publisher, source, capabilities } = await opened();
      if (capabilities.putUnreadable === undefined) return; // its store checks its own blocks
      await publisher.publish(numbered(0, 15));
      await capabilities.putUnreadable("iot-telemetry");
      await publisher.publish(numbered(15, 15));
      const store = storeOf();
      const troubles: Error[] = [];
      await consuming(source, { ...store.consumer(), onTrouble: (error) => troubles.push(error) });
      await vi.waitFor(() => expect(store.taken()).toHaveLength(30), patience);
      await vi.waitFor(() => expect(troubles).toHaveLength(1), patience);
      expect(troubles[0]!.message).toMatch(/^iot-telemetry\/0 offset \d+ is left out: .* cannot be read/);
      expect(troubles[0]!.cause).toMatchObject({ code: "BAD_RECORD", retry: "never" });
    });

    test("while the log is away publishing fails as LogAway, and works again when it is back (R1)", async () => {
      const { publisher, source, capabilities } = await opened();
      if (capabilities.away === undefined) return; // it is in this process, or this process cannot go on without it
      await publisher.publish(numbered(0, 3));
      const comeBack = await capabilities.away();
      const failures = await Promise.all([
        publisher.publish(numbered(3, 3)).catch((error: unknown) => error),
        publisher.publish(numbered(6, 3)).catch((error: unknown) => error),
      ]);
      for (const failure of failures) {
        expect(failure).toBeInstanceOf(LogAway);
        expect(failure).toMatchObject({ name: "LogAway", code: "LOG_AWAY", retry: "later" });
      }
      await comeBack();
      const again = async () => publisher.publish(numbered(3, 9));
      await vi.waitFor(again, { timeout: 20_000, interval: 10 });
      const store = storeOf();
      await consuming(source, store.consumer());
      await vi.waitFor(() => expect(store.taken()).toHaveLength(12), patience);
      for (const device of devices) expect(store.ids(device)).toEqual(idsOf(numbered(0, 12), device));
    });
  });
}

const patience = { timeout: 15_000, interval: 20 };
const devices = ["pump-0", "pump-1", "pump-2"];

async function consuming(source: RecordSource, consumer: LogConsumer) {
  const consumption = await source.consume(consumer);
  onTestFinished(() => consumption.stop());
  return consumption;
}

/** A consumer's database: what it took, and its progress, which it refuses to move from elsewhere than where it stands. */
function storeOf() {
  const progress = new Map<string, number>();
  const batches: LogBatch[] = [];
  const progressOf = async (partition: Partition) => progress.get(placeOf(partition)) ?? null;
  const take = async (batch: LogBatch) => {
    const stands = progress.get(placeOf(batch));
    if (stands !== undefined && stands !== batch.from) throw new Error(`stands at ${stands}, not at ${batch.from}`);
    progress.set(placeOf(batch), batch.next);
    batches.push(batch);
  };
  const taken = () => batches.flatMap(({ records }) => records);
  return {
    progress,
    batches,
    progressOf,
    take,
    taken,
    consumer: (topics: readonly LogTopic[] = logTopics): LogConsumer => ({
      group: "test",
      topics,
      progress: progressOf,
      take,
    }),
    ids: (device: string) => idsOf(taken(), device),
    /** Batches of a partition follow each other, their offsets grow, and lie within the batch. */
    expectConsecutive() {
      const at = new Map<string, number>();
      for (const batch of batches) {
        expect(batch.from).toBe(at.get(placeOf(batch)) ?? batch.from);
        at.set(placeOf(batch), batch.next);
        const offsets = batch.records.map(({ offset }) => offset);
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
        for (const offset of offsets) expect(offset >= batch.from && offset < batch.next).toBe(true);
      }
    },
  };
}

async function isAtEnd(consumption: Consumption): Promise<boolean> {
  return (await consumption.lag()).every(({ progress, end }) => progress === end);
}

/** The device's records topic by topic: between topics there is no order. */
function byTopic<Item extends PublishableRecord>(records: readonly Item[], device: string): Item[] {
  const own = records.filter((record) => record.device === device);
  return logTopics.flatMap((topic) => own.filter(({ record }) => topicOf(record) === topic));
}

function idsOf(records: readonly PublishableRecord[], device: string): string[] {
  return byTopic(records, device).map(({ id }) => id);
}

/** Records number `first` and on: of the devices in turn, of each topic. Ids are unique per device only. */
function numbered(first: number, count: number): PublishableRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    const device = devices[number % 3]!;
    const id = `d${Math.floor(number / 3)}.0`;
    switch (Math.floor(number / 3) % 3) {
      case 0:
        return { ...telemetry(number, device), id };
      case 1:
        return { id, device, record: { kind: "listening", atMs: number, session: "s" } };
      default:
        return {
          id,
          device,
          record: {
            kind: "deadLettered",
            atMs: number,
            topic: "devices/x/telemetry",
            reason: "bad",
            detail: "It is no JSON.",
            payload: "{",
            encoding: "utf8",
          },
        };
    }
  });
}

function telemetry(number: number, device: string): PublishableRecord {
  const readings = { temperature: number + 0.5, open: true, mode: "eco" };
  const identity = { kind: "sequence", boot: "b", seq: number } as const;
  return { id: `b:${number}`, device, record: { kind: "telemetry", atMs: number, tsMs: number, readings, identity } };
}

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "\udfff\ud800", 'a\n"b"\\', "__proto__", "\u2028"),
);
const anyRecord: fc.Arbitrary<TwinRecord> = fc
  .tuple(anyText, fc.dictionary(anyText, fc.oneof(anyText, fc.boolean(), fc.constantFrom(0, 1.5, -3e300))))
  .map(([id, readings]) => ({ kind: "telemetry", atMs: 1, tsMs: 2, readings, identity: { kind: "id", id } }));
