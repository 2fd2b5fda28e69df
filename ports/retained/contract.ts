import { describe, expect, onTestFinished, test } from "vitest";
import type { RetainedMessage, RetainedStore } from "./port.ts";

export type OpenedRetained = {
  readonly store: RetainedStore;
  /** The store as a later process finds it. */
  readonly reopen: () => Promise<RetainedStore>;
  readonly close: () => Promise<void>;
};

/** The promises of `RetainedStore` (port.ts) as tests. */
export function retainedContract(name: string, open: () => Promise<OpenedRetained>): void {
  async function opened(): Promise<OpenedRetained> {
    const retained = await open();
    onTestFinished(retained.close);
    return retained;
  }

  describe(`${name} as RetainedStore`, () => {
    test("a new store has no message", async () => {
      const { store } = await opened();
      expect(await store.load()).toEqual([]);
    });

    test("a saved message is there for the next process, whole", async () => {
      const { store, reopen } = await opened();
      const whole = aMessage({
        topic: "devices/pumpe-4/größe",
        payload: Uint8Array.of(0, 255, 10, 13, 128),
        qos: 2,
        properties: { contentType: "application/json", userProperties: { a: ["1", "2"] } },
        expiresAtMs: 1_900_000_000_123,
      });
      await store.save(whole);
      expect(await loaded(await reopen())).toEqual([whole]);
    });

    test("a topic keeps only its newest message", async () => {
      const { store, reopen } = await opened();
      await store.save(aMessage({ payload: Buffer.from("old"), qos: 2, expiresAtMs: 5 }));
      await store.save(aMessage({ payload: Buffer.from("new") }));
      await store.save(aMessage({ topic: "devices/b/status" }));
      const messages = await loaded(await reopen());
      expect(messages.map((message) => message.topic).sort()).toEqual(["devices/a/status", "devices/b/status"]);
      expect(messages.find((message) => message.topic === "devices/a/status")).toEqual(
        aMessage({ payload: Uint8Array.from(Buffer.from("new")) }),
      );
    });

    test("an empty payload clears the topic, of which there may be nothing", async () => {
      const { store, reopen } = await opened();
      await store.save(aMessage({}));
      await store.save(aMessage({ payload: new Uint8Array() }));
      await store.save(aMessage({ topic: "devices/never/status", payload: new Uint8Array() }));
      expect(await (await reopen()).load()).toEqual([]);
    });

    test("saves made at once keep their order, topic by topic", async () => {
      const { store, reopen } = await opened();
      const saves: Promise<void>[] = [];
      for (let round = 0; round < 50; round++) {
        for (let device = 0; device < 5; device++) {
          const payload = (round + device) % 7 === 0 ? "" : `${round}`;
          saves.push(store.save(aMessage({ topic: `devices/${device}/status`, payload: Buffer.from(payload) })));
        }
      }
      await Promise.all(saves);
      const messages = await loaded(await reopen());
      const found = messages.map((message) => [message.topic, Buffer.from(message.payload).toString()]).sort();
      // Round 49: device 0 is cleared (49 % 7 is 0), the others have it.
      expect(found).toEqual([1, 2, 3, 4].map((device) => [`devices/${device}/status`, "49"]));
    });
  });
}

function aMessage(differing: Partial<RetainedMessage>): RetainedMessage {
  const payload = Uint8Array.from(Buffer.from("online"));
  return { topic: "devices/a/status", payload, qos: 1, properties: null, expiresAtMs: null, ...differing };
}

async function loaded(store: RetainedStore): Promise<RetainedMessage[]> {
  return (await store.load()).map((message) => ({ ...message, payload: Uint8Array.from(message.payload) }));
}
