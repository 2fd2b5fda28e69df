import { expect, test } from "vitest";
import type { Reply } from "./inputs.ts";
import { answerOf, receiptOf, receiptsKept, type TurnReceipt, withReceipt } from "./receipts.ts";

const name = (turn: string, digest = 0, redelivered = false) => ({ turn, digest, redelivered });
const done: Reply = { kind: "done" };
const conflict: Reply = { kind: "conflict", detail: "there is one already" };

test("a turn that is asked again is answered as the first time", () => {
  const receipts = withReceipt([], name("g1.7"), conflict);
  expect(answerOf(receiptOf(receipts, name("g1.7"))!)).toEqual(conflict);
  expect(receiptOf(receipts, name("g1.8"))).toBeNull();
});

test("a message is known again by its digest only when the broker says that it is redelivered", () => {
  const receipts = withReceipt([], name("g1.7", 4711), done);
  expect(receiptOf(receipts, name("g2.1", 4711, true))).not.toBeNull();
  expect(receiptOf(receipts, name("g2.1", 4711, false))).toBeNull();
  expect(receiptOf(receipts, name("g2.1", 0, true))).toBeNull();
});

test("only the newest turns are kept, and an answer of many bytes is only said to be done", () => {
  let receipts: readonly TurnReceipt[] = [];
  for (let turn = 0; turn < 100; turn += 1) receipts = withReceipt(receipts, name(`t${turn}`), done);
  expect(receipts).toHaveLength(receiptsKept);
  expect(receipts.at(-1)?.turn).toBe("t99");
  const large = withReceipt([], name("a"), { kind: "conflict", detail: "x".repeat(5_000) });
  expect(answerOf(large[0]!)).toEqual(done);
});
