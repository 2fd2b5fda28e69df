import fc from "fast-check";
import kafkajs, { type PartitionMetadata } from "kafkajs";
import { expect, test } from "vitest";
import { devicePartitioner } from "./device-partitioner.ts";

const message = fc.record({
  topic: fc.constantFrom("iot-telemetry", "device-events"),
  device: fc.oneof(fc.constantFrom("pump-4", "pump-5", "ventil-ü"), fc.string({ minLength: 1 })),
  partitions: fc.constantFrom(1, 3, 12),
  times: fc.integer({ min: 1, max: 3 }),
});

test("every record is in the partition in which every Kafka client looks for its device, in whatever order they come", () => {
  fc.assert(
    fc.property(fc.array(message), (messages) => {
      const chosen: string[] = [];
      const ours = devicePartitioner((place) => chosen.push(place));
      const theirs = kafkajs.Partitioners.DefaultPartitioner();
      for (const { topic, device, partitions, times } of messages) {
        const partitionMetadata = Array.from({ length: partitions }, () => ({ leader: 1 }) as PartitionMetadata);
        const args = { topic, partitionMetadata, message: { key: device, value: null } };
        for (let time = 0; time < times; time += 1) {
          const partition = ours(args);
          expect(partition).toBe(theirs(args));
          expect(chosen.at(-1)).toBe(`${topic}/${partition}`);
        }
      }
      expect(chosen).toHaveLength(messages.reduce((sum, { times }) => sum + times, 0));
    }),
  );
});
