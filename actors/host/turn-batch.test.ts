import { expect, test } from "vitest";
import { brokerSession } from "../../core/device/broker-session.ts";
import type { TwinInput } from "../../core/device/inputs.ts";
import { defaultPolicy } from "../../core/device/policy.ts";
import type { TurnReceipt } from "../../core/device/receipts.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import { EarlyWords } from "./early-words.ts";
import { decideBatch } from "./turn-batch.ts";

const context = { nowMs: 1_700_000_000_000, policyOf: () => defaultPolicy, node: null, openRegistry: true };

function taken(input: TwinInput, twin: Twin, receipts: readonly TurnReceipt[] = [], now = context) {
  const from = { twin, revision: 1, receipts, early: new EarlyWords() };
  const turns = [{ turn: "g1.1", digest: 0, redelivered: false, input }];
  return decideBatch(from, turns, now, (_about, message) => expect.unreachable(message));
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

test("a reading without a time or number of its own counts once, however often its turn is tried", () => {
  const payload = Buffer.from('{"readings":{"t":1}}');
  const input: TwinInput = {
    kind: "telemetry",
    topic: "t",
    payload,
    session: null,
    receivedAtMs: context.nowMs - 5_000,
  };
  const first = taken(input, newTwin("pump-4"));
  expect(first.records.at(-1)).toMatchObject({ record: { tsMs: context.nowMs - 5_000, atMs: context.nowMs } });
  const later = { ...context, nowMs: context.nowMs + 3_000 };
  const [copy, again] = [newTwin("pump-4"), first.twin].map((twin) => taken(input, twin, [], later));
  expect(again?.replies).toEqual([{ kind: "counted", accepted: 0, duplicates: 1, refused: 0 }]);
  expect(copy?.records.at(-1)?.id).toBe(first.records.at(-1)?.id);
});
