import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { localRecordCodec, openRecordCodec, openRecordReader } from "../record-codec/codec.ts";
import { anyRecord, anyText } from "../record-codec/testing.ts";
import { openMemorySchemaRegistry } from "../schema-registry/memory.ts";
import { BadBlock, decodeBlock, encodeBlock, readBlock } from "./block.ts";
import type { LogEntry } from "./port.ts";

const entries: LogEntry[] = [
  { device: "pump-4", record: { kind: "seen", atMs: 1, why: "heartbeat" } },
  { device: "pump-5", record: { kind: "deregistered", atMs: 2 } },
];

const codec = localRecordCodec();

test("a block read back holds the entries that went in", () => {
  expect(decodeBlock(encodeBlock(entries, codec), 2, codec)).toEqual(entries);
});

test("any entries come back as they were, with the ids that others gave them", () => {
  const anyEntry = fc.record({ device: anyText, record: anyRecord, recordId: fc.option(anyText.filter(Boolean)) });
  fc.assert(
    fc.property(fc.array(anyEntry, { minLength: 1, maxLength: 5 }), (those) => {
      const given = those.map(({ device, record, recordId }) => {
        return { device, record: recordId === null ? record : { ...record, recordId } };
      });
      expect(decodeBlock(encodeBlock(given, codec), given.length, codec)).toEqual(given);
    }),
  );
});

test("a block of the JSON of earlier releases is read", () => {
  const lines = entries.map(({ device, record }) => `${JSON.stringify([device, record])}\n`).join("");
  const block = Buffer.concat([Buffer.from([1]), zstdCompressSync(lines)]);
  expect(decodeBlock(block, 2, codec)).toEqual(entries);
});

test("a reader fetches the schemas that a block names", async () => {
  const registry = openMemorySchemaRegistry();
  await registry.register("another-value", '"string"'); // so that no id is one that a codec without registry has
  const block = encodeBlock(entries, await openRecordCodec(registry));
  expect(await readBlock(block, 2, openRecordReader(registry))).toEqual(entries);
  const failure = await readBlock(block, 2, openRecordReader(openMemorySchemaRegistry())).catch((error) => error);
  expect(failure).toBeInstanceOf(BadBlock);
  expect(failure.message).toContain("the schema registry has no schema 3");
});

test("what our schemas do not have is kept as well, between what they have", () => {
  const odd = { device: "pump-4", record: { kind: "deregistered", atMs: 1.5, "a\nb": "\n" } } as unknown as LogEntry;
  const mixed = [entries[0]!, odd, entries[1]!];
  expect(decodeBlock(encodeBlock(mixed, codec), 3, codec)).toEqual(mixed);
});

test("a block of a thousand similar records takes a tenth of their JSON", () => {
  const many = Array.from({ length: 1000 }, (_, index) => ({
    device: `pump-${index}`,
    record: { kind: "seen", atMs: 1_700_000_000_000 + index, why: "heartbeat" } as const,
  }));
  expect(encodeBlock(many, codec).length).toBeLessThan(JSON.stringify(many).length / 10);
});

test("a block of a later version is refused with what to do", () => {
  const block = encodeBlock(entries, codec);
  block[0] = 3;
  expect(() => decodeBlock(block, 2, codec)).toThrow("has version 3; this release reads 1 and 2. Update Doppel.");
});

test("a block that was cut, altered or mislabelled is told apart from a good one", () => {
  const block = encodeBlock(entries, codec);
  const altered = Buffer.from(block);
  altered[block.length - 8]! ^= 1;
  for (const [bytes, count] of [
    [block.subarray(0, 1), 2],
    [block.subarray(0, block.length - 8), 2],
    [altered, 2],
    [block, 1],
  ] as const) {
    const failure = failureOf(() => decodeBlock(bytes, count, codec));
    expect(failure).toBeInstanceOf(BadBlock);
    expect(failure).toMatchObject({ name: "BadBlock", code: "BAD_BLOCK", retry: "never" });
  }
});

function failureOf(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}
