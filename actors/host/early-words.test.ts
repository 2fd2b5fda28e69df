import { expect, test } from "vitest";
import { EarlyWords } from "./early-words.ts";

const first = { id: "pump-4@1000", connectedAtMs: 1_000, node: "" };
const second = { id: "pump-4@5000", connectedAtMs: 5_000, node: "" };
const commands = { channel: "commands" } as const;
const end = (session: string) => ({ kind: "disconnected", session, graceful: false, reason: "socket closed" }) as const;

test("a subscription that arrives before its connection is said to it", () => {
  const words = new EarlyWords();
  words.noteListening(commands, 5_010, 5_020);
  expect(words.of(second, 5_030)).toEqual([{ kind: "listening", session: second.id, to: commands }]);
  expect(words.of(second, 5_040)).toEqual([]);
});

test("a subscription of the session before is not said to the next one, which has not subscribed yet", () => {
  const words = new EarlyWords();
  words.noteListening(commands, 1_010, 1_020);
  expect(words.of(second, 5_030)).toEqual([]);
});

test("an end that arrives before its connection ends it", () => {
  const words = new EarlyWords();
  words.noteEnd(end(second.id), 5_020);
  expect(words.of(second, 5_030)).toEqual([end(second.id)]);
});

test("the end of another session, or one of long ago, ends nothing", () => {
  const words = new EarlyWords();
  words.noteEnd(end(first.id), 5_020);
  words.noteEnd(end(second.id), 5_020);
  expect(words.of(second, 5_020 + 10_000)).toEqual([]);
});
