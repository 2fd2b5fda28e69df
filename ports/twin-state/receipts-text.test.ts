import fc from "fast-check";
import { expect, test } from "vitest";
import type { Reply } from "../../core/device/inputs.ts";
import type { TurnReceipt } from "../../core/device/receipts.ts";
import { readReceipts, writeReceipts } from "./receipts-text.ts";

const done: Reply = { kind: "done" };
const conflict: Reply = { kind: "conflict", detail: "there is one already" };

const nameOfGateway = fc
  .tuple(fc.constantFrom("gateways-1-mi8x2k1fa0b1c2", "gateways-2-mi8x2k1fd3e4f5", "apis-1"), fc.nat())
  .map(([caller, turn]) => `${caller}.${turn.toString(36)}`);
const anyReceipt: fc.Arbitrary<TurnReceipt> = fc.record({
  turn: fc.oneof({ weight: 3, arbitrary: nameOfGateway }, fc.string(), fc.string({ unit: "binary", maxLength: 200 })),
  digest: fc.oneof(fc.constant(0), fc.maxSafeNat(), fc.nat()),
  reply: fc.constantFrom(null, done, conflict),
  atMs: fc.oneof(fc.nat({ max: 9 }), fc.maxSafeNat(), fc.constantFrom(0, 1_795_262_400_000, 2 ** 51 - 1, 2 ** 51)),
});

test("whatever receipts there are, their text is on one line and gives them back", () => {
  fc.assert(
    fc.property(fc.array(anyReceipt, { maxLength: 300 }), (receipts) => {
      const text = writeReceipts(receipts);
      expect(text).not.toContain("\n");
      expect(readReceipts(text)).toEqual(receipts);
    }),
  );
});

test("receipts of more names than are packed at once are given back", () => {
  const receipts = Array.from({ length: 2_000 }, (_, index) => ({
    ...{ turn: `${index}.${"x".repeat(100)}`, digest: index, reply: null, atMs: 1_795_262_400_000 - index },
  }));
  expect(readReceipts(writeReceipts(receipts))).toEqual(receipts);
});

test("a text of the old form, a JSON list of receipts, is still read", () => {
  const old =
    '[["g1.7",4503599627370497,{"kind":"done"},1795262400000],["g1.8",0,null,1795262400001],["g1.9",7,{"kind":"conflict","detail":"x"}]]';
  expect(readReceipts(old)).toEqual([
    { turn: "g1.7", digest: 4503599627370497, reply: { kind: "done" }, atMs: 1795262400000 },
    { turn: "g1.8", digest: 0, reply: null, atMs: 1795262400001 },
    { turn: "g1.9", digest: 7, reply: { kind: "conflict", detail: "x" }, atMs: 0 },
  ]);
});

test("receipts of a gateway's turns take a fifth of what they take as JSON", () => {
  const receipts = Array.from({ length: 100 }, (_, index) => ({
    turn: `gateways-1-mi8x2k1fa0b1c2.${(40_000 + 17 * index).toString(36)}`,
    digest: 2 ** 52 + 1_000_003 * index,
    reply: index < 84 ? null : done,
    atMs: 1_795_262_400_000 + 500 * index,
  }));
  expect(writeReceipts(receipts).length * 4).toBeLessThan(JSON.stringify(receipts.map(Object.values)).length);
});

test("a text that nobody wrote is refused, with what is wrong in it", () => {
  expect(() => readReceipts('["Ag1.7;"]')).toThrow('A receipt of turns cannot be read: "Ag1.7;".');
  expect(() => readReceipts("[")).toThrow(SyntaxError);
});
