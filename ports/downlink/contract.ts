import { describe, expect, onTestFinished, test } from "vitest";
import type { Downlink } from "./port.ts";

/** What a listener at the broker got. */
export type Heard = { readonly topic: string; readonly payload: Buffer; readonly qos: number };

export type OpenedDownlink = {
  readonly port: Downlink;
  /** Resolves to the first messages below `devices/`, so many of them, in the order of their arrival. */
  readonly heard: (count: number) => Promise<readonly Heard[]>;
  /** Takes the broker away. */
  readonly leave: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The promises of `Downlink` (port.ts) as tests. */
export function downlinkContract(
  name: string,
  open: (options: { readonly timeoutMs: number }) => Promise<OpenedDownlink>,
): void {
  async function opened(timeoutMs = 20_000): Promise<OpenedDownlink> {
    const downlink = await open({ timeoutMs });
    onTestFinished(downlink.close);
    return downlink;
  }

  describe(`${name} as Downlink`, () => {
    test("a message reaches who listens, whole, as text or bytes", async () => {
      const { port, heard } = await opened();
      expect(port.connected).toBe(true);
      await port.publish({ topic: "devices/pump-4/commands", payload: '{"größe":1}', qos: 1 });
      await port.publish({ topic: "devices/pump-4/commands", payload: Uint8Array.of(0, 255, 128), qos: 1 });
      expect(await heard(2)).toMatchObject([
        { topic: "devices/pump-4/commands", payload: Buffer.from('{"größe":1}'), qos: 1 },
        { payload: Buffer.of(0, 255, 128) },
      ]);
    });

    test("messages of one topic arrive in the order of the calls", async () => {
      const { port, heard } = await opened();
      const calls: Promise<void>[] = [];
      for (let n = 0; n < 200; n++)
        for (const device of ["a", "b", "c"])
          calls.push(port.publish({ topic: `devices/${device}/commands`, payload: `${n}`, qos: 1 }));
      await Promise.all(calls);
      const all = await heard(600);
      for (const device of ["a", "b", "c"]) {
        const own = all.filter(({ topic }) => topic === `devices/${device}/commands`);
        expect(own.map(({ payload }) => Number(payload.toString()))).toEqual(Array.from({ length: 200 }, (_, n) => n));
      }
    });

    test("a broker that is away is said as BrokerAway, and the message does not come later", async () => {
      const { port, leave } = await opened(500);
      await leave();
      await expect(port.publish({ topic: "devices/a/commands", payload: "x", qos: 1 })).rejects.toMatchObject({
        code: "BROKER_AWAY",
        retry: "later",
      });
      expect(port.connected).toBe(false);
    });

    test("what was under way when it closed has gone out; nothing more does", async () => {
      const { port, heard } = await opened();
      const sent = port.publish({ topic: "devices/a/commands", payload: "last", qos: 1 });
      await port.close();
      await port.close();
      await sent;
      expect((await heard(1))[0]!.payload.toString()).toBe("last");
      await expect(port.publish({ topic: "devices/a/commands", payload: "x", qos: 1 })).rejects.toMatchObject({
        code: "BROKER_AWAY",
      });
    });
  });
}
