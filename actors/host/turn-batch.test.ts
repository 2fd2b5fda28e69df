import { expect, test } from "vitest";
import { brokerSession } from "../../core/device/broker-session.ts";
import type { TwinInput } from "../../core/device/inputs.ts";
import { defaultPolicy } from "../../core/device/policy.ts";
import type { TurnReceipt } from "../../core/device/receipts.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import { EarlyWords } from "./early-words.ts";
import { decideBatch } from "./turn-batch.ts";

const context = { nowMs: 1_700_000_000_000, policyOf: () => defaultPolicy, node: null, openRegistry: true };

function taken(input: TwinInput, twin: Twin, receipts: readonly TurnReceipt[] = []) {
  const from = { twin, revision: 1, receipts, early: new EarlyWords() };
  const turns = [{ turn: "g1.1", digest: 0, redelivered: false, input }];
  return decideBatch(from, turns, context, (_about, message) => expect.unreachable(message));
}

const update = (session: string | null): TwinInput => ({
  kind: "shadow",
  shadow: "",
  request: { kind: "update", payload: Buffer.from('{"state":{"reported":{"valve":"open"}}}') },
  by: session === null ? "app" : "device",
  session,
});

const accepted = { kind: "shadow", answer: { kind: "accepted", operation: "update", version: 1 } };

test("a shadow update of a device is answered once by the turn's sends; asked again, it is only known to be done", () => {
  const first = taken(update(brokerSession), newTwin("pump-4"));
  expect(first.replies).toMatchObject([accepted]);
  expect(first.sends.map(({ kind }) => kind)).toContain("shadowAnswer");
  const again = taken(update(brokerSession), first.twin, first.receipts);
  expect(again).toMatchObject({ replies: [{ kind: "done" }], repeated: 1, records: [], durable: false });
});

test("an app that asks again gets the answer of its first update", () => {
  const first = taken(update(null), newTwin("pump-4"));
  const again = taken(update(null), first.twin, first.receipts);
  expect(again.replies).toEqual(first.replies);
  expect(again.replies).toMatchObject([accepted]);
});
