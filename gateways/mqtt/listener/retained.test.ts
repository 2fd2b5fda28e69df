import { expect, test } from "vitest";
import { MemoryRetained } from "../../../ports/retained/memory.ts";
import type { RetainedMessage } from "../../../ports/retained/port.ts";
import type { Message } from "./publish-encoder.ts";
import { RetainedMessages } from "./retained.ts";

test("retained messages of an earlier process are found, with their MQTT 5 properties", async () => {
  const store = new MemoryRetained();
  const properties = { contentType: "text/plain", correlationData: Buffer.from([0, 255]) };
  await new RetainedMessages(store, 1_000).keep(aMessage("a/b", "x", { properties }), 1);
  const later = new RetainedMessages(store, 1_000);
  await later.load();
  expect(later.matching("a/#", 0)).toMatchObject([{ message: { topic: "a/b", properties }, qos: 1 }]);
});

test("the same message twice is saved once, and again if saving it failed", async () => {
  const saves: RetainedMessage[] = [];
  let fails = true;
  const retained = new RetainedMessages(
    {
      load: async () => [],
      async save(message) {
        saves.push(message);
        if (fails) throw new Error("no connection");
      },
    },
    1_000,
  );
  await expect(retained.keep(aMessage("a", "x"), 1)).rejects.toThrow("no connection");
  fails = false;
  await retained.keep(aMessage("a", "x"), 1);
  await retained.keep(aMessage("a", "x"), 1);
  expect(saves).toHaveLength(2);
  await retained.keep(aMessage("a", "y"), 1);
  expect(saves).toHaveLength(3);
});

test("an expired message is neither sent nor kept", async () => {
  const store = new MemoryRetained();
  const retained = new RetainedMessages(store, 1_000);
  await retained.keep(aMessage("a", "x", { expiresAtMs: 100 }), 1);
  expect(retained.matching("+", 99)).toHaveLength(1);
  expect(retained.matching("+", 100)).toEqual([]);
  expect([retained.count, await store.load()]).toEqual([0, []]);
});

test("there is no more than there is room for; replacing and clearing make room", async () => {
  const retained = new RetainedMessages(new MemoryRetained(), 500);
  expect(retained.keep(aMessage("a", "x".repeat(300)), 0)).not.toBeNull();
  expect(retained.keep(aMessage("b", "x".repeat(300)), 0)).toBeNull();
  expect(retained.keep(aMessage("a", "y".repeat(300)), 0)).not.toBeNull();
  await retained.keep(aMessage("a", ""), 0);
  expect(retained.keep(aMessage("b", "x".repeat(300)), 0)).not.toBeNull();
  expect(retained.keep(aMessage("/".repeat(100), "x"), 0)).toBeNull();
  expect(retained.refused).toBe(2);
});

function aMessage(topic: string, payload: string, differing: Partial<Message> = {}): Message {
  return { topic, payload: Buffer.from(payload), properties: null, expiresAtMs: null, ...differing };
}
