/** For tests with Kafka: topics for one day, and reading all that is there. */
import { expect, onTestFinished, vi } from "vitest";
import { type KafkaSourceOptions, openKafkaSource } from "./kafka-source.ts";
import { placeOf } from "./partition-reading.ts";
import type { PublishableRecord } from "./port.ts";
import type { TopicsWanted } from "./topics.ts";

export const dayMs = 86_400_000;
export const wanted: TopicsWanted = {
  partitions: 3,
  replication: 1,
  retentionMs: { "iot-telemetry": dayMs, "device-events": dayMs, "dead-letter": dayMs },
};

/** Consumes the telemetry from its beginning until the test ends or `stop`. */
export async function consumeAll(options: KafkaSourceOptions) {
  const source = openKafkaSource({ ...options, backOff: { firstMs: 50, maxMs: 500 } });
  const progress = new Map<string, number>();
  const records: PublishableRecord[] = [];
  const consumption = await source.consume({
    group: "all",
    topics: ["iot-telemetry"],
    progress: async (partition) => progress.get(placeOf(partition)) ?? null,
    async take(batch) {
      progress.set(placeOf(batch), batch.next);
      records.push(...batch.records);
    },
  });
  const stop = async () => {
    await consumption.stop();
    await source.close();
  };
  onTestFinished(stop);
  return {
    records,
    get ids() {
      return records.map(({ id }) => id);
    },
    stop,
  };
}

/** Reads the telemetry from its beginning until there are at least so many records. */
export async function everything(options: KafkaSourceOptions, count: number): Promise<PublishableRecord[]> {
  const all = await consumeAll(options);
  await vi.waitFor(() => expect(all.records.length).toBeGreaterThanOrEqual(count), { timeout: 20_000, interval: 20 });
  await all.stop();
  return all.records;
}

export function telemetry(device: string, number: number): PublishableRecord {
  const identity = { kind: "id", id: `${number}` } as const;
  return {
    id: `t${number}`,
    device,
    record: { kind: "telemetry", atMs: number, tsMs: number, readings: { a: 1 }, identity },
  };
}
