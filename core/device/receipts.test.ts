import { expect, test } from "vitest";
import type { Reply } from "./inputs.ts";
import {
  answerOf,
  mostReceipts,
  receiptOf,
  receiptsKept,
  receiptsKeptMs,
  type TurnReceipt,
  withReceipt,
} from "./receipts.ts";

const name = (turn: string, digest = 0, redelivered = false) => ({ turn, digest, redelivered });
const done: Reply = { kind: "done" };
const conflict: Reply = { kind: "conflict", detail: "there is one already" };

test("a turn that is asked again is answered as the first time", () => {
  const receipts = withReceipt([], name("g1.7"), conflict, 0);
  expect(answerOf(receiptOf(receipts, name("g1.7"))!)).toEqual(conflict);
  expect(receiptOf(receipts, name("g1.8"))).toBeNull();
});

test("a message is known again by its digest only when the broker says that it is redelivered", () => {
  const receipts = withReceipt([], name("g1.7", 4711), done, 0);
  expect(receiptOf(receipts, name("g2.1", 4711, true))).not.toBeNull();
  expect(receiptOf(receipts, name("g2.1", 4711, false))).toBeNull();
  expect(receiptOf(receipts, name("g2.1", 0, true))).toBeNull();
});

/** Of so many turns, `everyMs` after each other. */
function many(count: number, everyMs: number): readonly TurnReceipt[] {
  let receipts: readonly TurnReceipt[] = [];
  for (let turn = 0; turn < count; turn += 1)
    receipts = withReceipt(receipts, name(`t${turn}`), conflict, turn * everyMs);
  return receipts;
}

test("of old turns only the newest are kept", () => {
  const receipts = many(100, receiptsKeptMs);
  expect(receipts).toHaveLength(receiptsKept);
  expect(receipts.at(-1)?.turn).toBe("t99");
});

test("however many turns one call brought, each is known when the call comes again", () => {
  const receipts = many(200, 0);
  for (let turn = 0; turn < 200; turn += 1) expect(receiptOf(receipts, name(`t${turn}`))).not.toBeNull();
  expect(answerOf(receipts.at(-1)!)).toEqual(conflict);
  expect(answerOf(receipts[0]!)).toEqual(done);
  expect(many(1_000, 0)).toHaveLength(mostReceipts);
});

test("an answer of many bytes is only said to be done", () => {
  const large = withReceipt([], name("a"), { kind: "conflict", detail: "x".repeat(5_000) }, 0);
  expect(answerOf(large[0]!)).toEqual(done);
});
