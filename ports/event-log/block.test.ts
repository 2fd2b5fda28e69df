import { expect, test } from "vitest";
import { BadBlock, decodeBlock, encodeBlock } from "./block.ts";
import type { LogEntry } from "./port.ts";

const entries: LogEntry[] = [
  { device: "pump-4", record: { kind: "seen", atMs: 1, why: "heartbeat" } },
  { device: "pump-5", record: { kind: "deregistered", atMs: 2 } },
];

test("a block read back holds the entries that went in", () => {
  expect(decodeBlock(encodeBlock(entries), 2)).toEqual(entries);
});

test("a block of a thousand similar records takes a tenth of their JSON", () => {
  const many = Array.from({ length: 1000 }, (_, index) => ({
    device: `pump-${index}`,
    record: { kind: "seen", atMs: 1_700_000_000_000 + index, why: "heartbeat" } as const,
  }));
  expect(encodeBlock(many).length).toBeLessThan(JSON.stringify(many).length / 10);
});

test("a block of a later version is refused with what to do", () => {
  const block = encodeBlock(entries);
  block[0] = 2;
  expect(() => decodeBlock(block, 2)).toThrow("has version 2; this release reads 1. Update Doppel.");
});

test("a block that was cut, altered or mislabelled is told apart from a good one", () => {
  const block = encodeBlock(entries);
  const altered = Buffer.from(block);
  altered[block.length - 8]! ^= 1;
  for (const [bytes, count] of [
    [block.subarray(0, 1), 2],
    [block.subarray(0, block.length - 8), 2],
    [altered, 2],
    [block, 1],
  ] as const) {
    const failure = failureOf(() => decodeBlock(bytes, count));
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
