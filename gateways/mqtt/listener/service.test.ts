import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import mqtt from "mqtt";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { MemoryRetained } from "../../../ports/retained/memory.ts";
import { inbox, serve } from "./testing.ts";
import { originAllowed } from "./websocket.ts";

describe("over WebSocket", () => {
  for (const protocolVersion of [4, 5] as const) {
    test(`MQTT.js of version ${protocolVersion} publishes and subscribes`, async () => {
      const { listener, told } = await serve({ wsPort: 0 });
      const client = await mqtt.connectAsync(`ws://127.0.0.1:${listener.wsPort}/mqtt`, {
        protocolVersion,
        clientId: "page",
      });
      const got = new Promise((resolve) => client.once("message", (_topic, payload) => resolve(payload.toString())));
      await client.subscribeAsync("t", { qos: 1 });
      const large = "x".repeat(200_000);
      await client.publishAsync("t", large, { qos: 1 });
      expect(await got).toBe(large);
      await client.endAsync();
      expect(told.at(-1)).toBe("disconnected page: client disconnected (graceful)");
    });
  }

  test("a page of another host, a plain request and another subprotocol are refused", async () => {
    const { listener } = await serve({ wsPort: 0 });
    const url = `ws://127.0.0.1:${listener.wsPort}`;
    const foreign = new WebSocket(url, "mqtt", { origin: "https://evil.example" });
    const other = new WebSocket(url);
    const [[a], [b]] = await Promise.all([once(foreign, "error"), once(other, "error")]);
    expect([a.message, b.message]).toEqual([expect.stringContaining("403"), expect.stringContaining("400")]);
    expect((await fetch(url.replace("ws", "http"))).status).toBe(426);
  });

  test.each([
    [undefined, "x:1", "127.0.0.1", true],
    ["http://localhost:8080", "127.0.0.1:1883", "127.0.0.1", true],
    ["http://evil.example", "127.0.0.1:1883", "127.0.0.1", false],
    ["http://evil.example", "evil.example:1883", "127.0.0.1", false], // DNS rebinding
    ["http://twins.example", "twins.example:1883", "0.0.0.0", true],
    ["http://evil.example", "twins.example:1883", "0.0.0.0", false],
    ["null", "127.0.0.1", "127.0.0.1", false],
  ])("origin %s with host %s on %s: %s", (origin, host, listeningOn, allowed) => {
    const headers = { host, ...(origin === undefined ? {} : { origin }) };
    expect(originAllowed({ headers }, listeningOn)).toBe(allowed);
  });

  test("a text frame ends the connection", async () => {
    const { listener } = await serve({ wsPort: 0 });
    const socket = new WebSocket(`ws://127.0.0.1:${listener.wsPort}`, "mqtt");
    await once(socket, "open");
    socket.send("not binary");
    await once(socket, "close");
  });
});

describe("a subscriber that does not read", () => {
  test("misses QoS 0, gets QoS 1 up to the bound, and holds up nobody", async () => {
    const { listener, client, raw, heard } = await serve({ maxBufferedBytes: 100_000, maxQueuedMessages: 50 });
    const slow = await raw();
    slow.write("10 10 0004 4d515454 04 02 0000 0004 736c6f77 82 08 0001 0003 742f23 01"); // "slow", "t/#" at QoS 1
    await heard("subscribed slow t/#");
    slow.socket.pause();
    const quick = await client({ clientId: "quick" });
    const got = inbox(quick);
    await quick.subscribeAsync("t/#", { qos: 1 });
    const payload = Buffer.alloc(20_000);
    let sent = 0;
    while (listener.counts().dropped === 0) {
      listener.broker.publish({ topic: "t/0", payload, qos: 0 });
      sent++;
      await got.next();
    }
    for (let i = 0; i < 200; i++) {
      listener.broker.publish({ topic: "t/1", payload, qos: 1 });
      await got.next();
    }
    expect(got.all).toHaveLength(sent + 200);
    expect(listener.counts().queued).toBeLessThanOrEqual(50);
    expect(listener.counts().dropped).toBeGreaterThan(100);
  });

  test("and sends all the same is not read any more", async () => {
    const { raw, told, listener } = await serve({ maxBufferedBytes: 50_000 });
    const greedy = await raw();
    greedy.write("10 0f 0004 4d515454 04 02 0000 0003 616263");
    await greedy.read(4);
    greedy.socket.pause();
    const pings = Buffer.alloc(100_000).fill(Buffer.from([0xc0, 0]));
    let taken = true;
    for (let i = 0; i < 500 && taken; i++) {
      taken = greedy.socket.write(pings) || (await Promise.race([once(greedy.socket, "drain"), waits()])) !== "stuck";
    }
    expect(taken).toBe(false);
    expect(told).toEqual(["connected abc"]);
    greedy.socket.resume();
    await once(greedy.socket, "drain"); // it reads, so it is read
    expect(listener.broker.connections()).toBe(1);
  });
});

describe("the broker", () => {
  test("ends the connections that match, telling MQTT 5 clients that it was an administrator", async () => {
    const { client, listener, told, heard } = await serve();
    const device = await client({ protocolVersion: 5, clientId: "pump-4" });
    await client({ clientId: "pump-5" });
    const reason = new Promise((resolve) => device.once("disconnect", (packet) => resolve(packet.reasonCode)));
    expect(listener.broker.disconnect(({ clientId }) => clientId === "pump-4", "device deleted")).toBe(1);
    expect(await reason).toBe(0x98);
    await heard("disconnected pump-4: device deleted");
    expect(listener.broker.connections()).toBe(1);
    expect(told).toHaveLength(3);
  });

  test("counts who got or will get a message", async () => {
    const { client, listener, heard } = await serve();
    const sleeper = await client({ clientId: "sleeper", clean: false });
    await sleeper.subscribeAsync("t", { qos: 1 });
    const awake = await client({ clientId: "awake" });
    await awake.subscribeAsync("t", { qos: 1 });
    await sleeper.endAsync();
    await heard(/^disconnected sleeper/);
    expect(listener.broker.publish({ topic: "t", payload: "x", qos: 1 })).toBe(2);
    expect(listener.broker.publish({ topic: "t", payload: "x", qos: 0 })).toBe(1);
    expect(listener.broker.publish({ topic: "u", payload: "x", qos: 1 })).toBe(0);
    expect(listener.counts()).toMatchObject({ connections: 1, keptSessions: 1, subscriptions: 2, queued: 1 });
  });
});

describe("sessions of MQTT 5", () => {
  test("end at the expiry that the client asked for, the will at its delay", async () => {
    const { client, clock, heard, listener, told } = await serve();
    const will = {
      topic: "w",
      payload: Buffer.from("gone"),
      qos: 1 as const,
      retain: true,
      properties: { willDelayInterval: 5 },
    };
    const options = {
      protocolVersion: 5 as const,
      clientId: "a",
      clean: false,
      properties: { sessionExpiryInterval: 60 },
      will,
    };
    const first = await client(options);
    await first.subscribeAsync("t", { qos: 1 });
    first.stream.destroy();
    await heard("disconnected a: socket closed");
    clock.ms += 4_900;
    for (let i = 0; i < 20; i++) await turn();
    expect(told.at(-1)).toBe("disconnected a: socket closed");
    clock.ms += 100;
    await heard("will a w gone");
    expect(listener.counts()).toMatchObject({ keptSessions: 1, subscriptions: 1, retained: 1 });
    clock.ms += 55_000;
    while (listener.counts().keptSessions > 0) await turn();
    expect(listener.counts().subscriptions).toBe(0);
  });

  test("can be given up, and the will asked for, with the DISCONNECT", async () => {
    const { client, heard, listener } = await serve();
    const will = { topic: "w", payload: Buffer.from("gone"), qos: 0 as const, retain: false };
    const options = {
      protocolVersion: 5 as const,
      clientId: "a",
      clean: false,
      properties: { sessionExpiryInterval: 60 },
      will,
    };
    const device = await client(options);
    await device.endAsync({ reasonCode: 4, properties: { sessionExpiryInterval: 0 } });
    await heard("will a w gone");
    expect(listener.counts().keptSessions).toBe(0);
  });

  test("carry content type, response topic, correlation data and user properties to the subscriber", async () => {
    const { client } = await serve();
    const app = await client({ protocolVersion: 5 });
    await app.subscribeAsync("t", { qos: 1, properties: { subscriptionIdentifier: 7 } });
    const device = await client({ protocolVersion: 5 });
    const properties = {
      contentType: "application/json",
      responseTopic: "answers/here",
      correlationData: Buffer.from([1, 0, 2]),
      userProperties: { unit: "C" },
      payloadFormatIndicator: true,
      messageExpiryInterval: 30,
    };
    await device.publishAsync("t", "x", { qos: 1, properties });
    const got = await inbox(app).next();
    expect(got.properties).toEqual({
      ...properties,
      userProperties: expect.objectContaining({ unit: "C" }),
      subscriptionIdentifier: 7,
    });
  });

  test("send no packet larger than the client takes", async () => {
    const { client, listener } = await serve();
    const small = await client({ protocolVersion: 5, properties: { maximumPacketSize: 100 } });
    await small.subscribeAsync("t", { qos: 1 });
    for (const size of [200, 10]) listener.broker.publish({ topic: "t", payload: "x".repeat(size), qos: 1 });
    expect((await inbox(small).next()).payload).toHaveLength(10);
  });
});

describe("opening and closing", () => {
  test("a shutdown tells MQTT 5 clients and fires no will", async () => {
    const { client, listener, told } = await serve({ wsPort: 0 });
    const will = { topic: "w", payload: Buffer.from("gone"), qos: 1 as const, retain: false };
    const five = await client({ protocolVersion: 5, clientId: "five", will });
    const reason = new Promise((resolve) => five.once("disconnect", (packet) => resolve(packet.reasonCode)));
    await client({ protocolVersion: 4, clientId: "four", will });
    const page = await mqtt.connectAsync(`ws://127.0.0.1:${listener.wsPort}`, { clientId: "page", reconnectPeriod: 0 });
    onTestFinished(async () => {
      page.end(true);
    });
    const idle = connect(listener.port, "127.0.0.1");
    idle.on("error", () => {});
    await once(idle, "connect");
    await listener.close();
    await listener.close();
    expect(await reason).toBe(0x8b);
    expect(told.slice(3).sort()).toEqual([
      "disconnected five: server shutdown",
      "disconnected four: server shutdown",
      "disconnected page: server shutdown",
    ]);
  });

  test("a port in use is said to the opener", async () => {
    const { listener } = await serve();
    await expect(serve({ port: listener.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    const other = await serve({ wsPort: 0 });
    await expect(serve({ wsPort: other.listener.wsPort })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("retained messages of the last process are there for the first subscriber", async () => {
    const retained = new MemoryRetained();
    await retained.save({ topic: "t", payload: Buffer.from("x"), qos: 1, properties: null, expiresAtMs: null });
    const { client } = await serve({ retained });
    const app = await client();
    await app.subscribeAsync("#", { qos: 1 });
    expect(await inbox(app).next()).toMatchObject({ topic: "t", retain: true });
  });
});

/** Long enough for a socket to drain if it is going to. */
async function waits(): Promise<"stuck"> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return "stuck";
}
