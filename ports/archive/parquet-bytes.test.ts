/** What is written is read again by hyparquet's own decoders of the same encodings. */
import fc from "fast-check";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { expect, test } from "vitest";
import { Bytes, bitWidthOf, writeDeltas, writeHybrid } from "./parquet-bytes.ts";

function readerOf(bytes: Uint8Array) {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
}

/** Runs of equal numbers and single ones, of one width. */
const anyNumbers = fc
  .integer({ min: 0, max: 24 })
  .chain((width) => fc.array(fc.tuple(fc.nat(2 ** width - 1), fc.oneof(fc.constant(1), fc.nat(40))), { maxLength: 60 }))
  .map((runs) => Uint32Array.from(runs.flatMap(([number, times]) => Array.from({ length: times }, () => number))));

test("runs and packed numbers come back", () => {
  fc.assert(
    fc.property(anyNumbers, (numbers) => {
      const width = bitWidthOf(numbers.reduce((most, number) => Math.max(most, number), 0));
      const out = new Bytes(1);
      writeHybrid(out, numbers, numbers.length, width);
      const found = new Array<number>(numbers.length);
      const reader = readerOf(out.taken());
      readRleBitPackedHybrid(reader, width, found, out.length);
      expect(found).toEqual([...numbers]);
      expect(reader.offset).toBe(out.length);
    }),
    { numRuns: 500 },
  );
});

/** Near each other, and as far apart as numbers can be whole. */
const anyIntegers = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 400 }),
  fc.array(fc.integer({ min: -(2 ** 30), max: 2 ** 30 - 1 }), { minLength: 1, maxLength: 300 }),
  fc
    .tuple(fc.integer({ min: -(2 ** 52), max: 2 ** 52 }), fc.array(fc.nat(2 ** 31), { minLength: 1, maxLength: 300 }))
    .map(([from, steps]) => steps.map((step) => from + step)),
  fc.array(fc.maxSafeInteger(), { minLength: 1, maxLength: 200 }),
);

test("whole numbers come back as they were, near or far from each other", () => {
  fc.assert(
    fc.property(anyIntegers, (numbers) => {
      const out = new Bytes(1);
      writeDeltas(out, Float64Array.from(numbers));
      const found = new BigInt64Array(numbers.length);
      const reader = readerOf(out.taken());
      deltaBinaryUnpack(reader, numbers.length, found);
      expect([...found].map(Number)).toEqual(numbers.map((number) => number + 0 || 0));
    }),
    { numRuns: 500 },
  );
});

test("a time that is no whole number of milliseconds is refused", () => {
  expect(() => writeDeltas(new Bytes(), Float64Array.of(1, 1.5))).toThrow(RangeError);
});
