import { type EventEmitter, once } from "node:events";
import { describe, expect, test } from "vitest";
import { inbox, serve } from "./testing.ts";

for (const protocolVersion of [4, 5] as const) {
  describe(`MQTT.js speaking version ${protocolVersion}`, () => {
    for (const qos of [0, 1, 2] as const) {
      test(`a message of QoS ${qos} reaches a subscriber once and at its QoS`, async () => {
        const { client } = await serve();
        const app = await client({ protocolVersion, clientId: "app" });
        const device = await client({ protocolVersion, clientId: "pump-4" });
        const got = inbox(app);
        expect(await app.subscribeAsync("devices/+/telemetry", { qos: 2 })).toMatchObject([{ qos: 2 }]);
        await device.publishAsync("devices/pump-4/telemetry", "21.5", { qos });
        await device.publishAsync("devices/pump-4/telemetry", "22", { qos });
        expect(await got.next()).toMatchObject({ topic: "devices/pump-4/telemetry", qos, retain: false });
        expect((await got.next()).payload.toString()).toBe("22");
      });
    }

    test("a retained message waits for whoever subscribes later, until it is cleared", async () => {
      const { client, listener } = await serve();
      const device = await client({ protocolVersion, clientId: "pump-4" });
      await device.publishAsync("devices/pump-4/status", "online", { qos: 1, retain: true });
      const app = await client({ protocolVersion });
      const got = inbox(app);
      await app.subscribeAsync("devices/#", { qos: 1 });
      expect(await got.next()).toMatchObject({ topic: "devices/pump-4/status", retain: true, qos: 1 });
      await device.publishAsync("devices/pump-4/status", "", { qos: 1, retain: true });
      expect(listener.counts().retained).toBe(0);
    });

    test("a persistent session keeps its subscriptions and what came while it was away", async () => {
      const { client, told } = await serve();
      const properties = protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
      const options = { protocolVersion, clientId: "sleeper", clean: false, ...properties };
      const first = await client(options);
      await first.subscribeAsync("devices/sleeper/commands", { qos: 1 });
      await first.endAsync();
      const app = await client({ protocolVersion, clientId: "app" });
      for (const command of ["a", "b", "c"]) await app.publishAsync("devices/sleeper/commands", command, { qos: 1 });
      const got = inbox(await client(options));
      const commands = [await got.next(), await got.next(), await got.next()].map(({ payload }) => payload.toString());
      expect(commands).toEqual(["a", "b", "c"]);
      expect(told).toContain("resumed sleeper devices/sleeper/commands");
    });

    test("a client that is taken over learns it, and its end comes before the new one's beginning", async () => {
      const { client, told, heard } = await serve();
      const first = await client({ protocolVersion, clientId: "pump-4" });
      const closed = once(first as unknown as EventEmitter, "close");
      const second = await client({ protocolVersion, clientId: "pump-4" });
      await closed;
      await second.endAsync();
      await heard(/graceful/);
      expect(told).toEqual([
        "connected pump-4",
        "disconnected pump-4: taken over",
        "connected pump-4",
        "disconnected pump-4: client disconnected (graceful)",
      ]);
    });

    test("a will is sent when the socket breaks and forgotten on DISCONNECT", async () => {
      const { client, heard, told } = await serve();
      const will = { topic: "devices/pump-4/status", payload: Buffer.from("offline"), qos: 1 as const, retain: false };
      const first = await client({ protocolVersion, clientId: "pump-4", will });
      await first.endAsync();
      const second = await client({ protocolVersion, clientId: "pump-5", will });
      second.stream.destroy();
      await heard("will pump-5 devices/pump-4/status offline");
      expect(told.filter((line) => line.startsWith("will"))).toHaveLength(1);
    });
  });
}
