import { connect, createServer, type Socket } from "node:net";
import mqtt, { type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { NativeMosquitto } from "../../../deploy/native/mosquitto.ts";
import { SHARED_AWS_PREFIX } from "../../../deploy/native/mosquitto-config.ts";
import { startMosquittoPresence } from "../../../deploy/native/mosquitto-presence.ts";
import { mosquittoIsHere, type TestMosquitto, testMosquitto } from "../../../deploy/native/testing.ts";
import type { IncomingPublish, PublishOutcome } from "../broker-port.ts";
import { backOffMs, type Ingress, type IngressOptions, openIngress, upSubscriptions } from "./ingress.ts";
import { presenceEvent } from "./presence-events.ts";

let broker: NativeMosquitto;
let started: TestMosquitto | null = null;
beforeAll(async () => {
  if (!mosquittoIsHere) return;
  started = await testMosquitto();
  broker = started.broker;
});
afterAll(() => started?.close());

type Taken = { message: IncomingPublish; done: (outcome: PublishOutcome) => void };
const accept: PublishOutcome = { kind: "accept" };
let groups = 0;

/** A gateway's ingress whose messages the test settles; `decide` settles at once. */
class Gateway {
  readonly taken: Taken[] = [];
  readonly counts = { redelivered: 0, refused: 0, unreadable: 0, connectionLost: 0 };
  readonly ingress: Ingress;
  #wake: () => void = () => {};

  constructor(options: Partial<IngressOptions> & { decide?: PublishOutcome } = {}) {
    const { decide, ...rest } = options;
    const count = (name: keyof Gateway["counts"]) => () => {
      this.counts[name]++;
      this.#wake();
    };
    this.ingress = openIngress({
      url: broker.ingressUrl,
      username: broker.username,
      password: broker.password,
      clientId: `doppel-gateway-${groups}`,
      sessionSeconds: 60,
      group: `g${groups}`,
      awsPrefix: SHARED_AWS_PREFIX,
      handle: (message, done) => {
        this.taken.push({ message, done });
        if (decide !== undefined) done(decide);
        this.#wake();
      },
      meter: {
        redelivered: count("redelivered"),
        refused: count("refused"),
        unreadable: count("unreadable"),
        connectionLost: count("connectionLost"),
      },
      log: { info: () => {}, warn: () => {} },
      ...rest,
    });
    onTestFinished(() => this.ingress.close({ drainMs: 100, forGood: true }));
  }

  async until(met: () => boolean): Promise<void> {
    while (!met())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  texts(): string[] {
    return this.taken.map(({ message }) => message.payload.toString());
  }
}

async function device(name = "pump-4"): Promise<MqttClient> {
  const client = await mqtt.connectAsync(broker.deviceUrl, { clientId: name, protocolVersion: 5, reconnectPeriod: 0 });
  onTestFinished(async () => {
    client.end(true);
  });
  return client;
}

async function publishAll(client: MqttClient, count: number, topic = "devices/pump-4/telemetry"): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, index) => `${index}`);
  await Promise.all(texts.map((text) => client.publishAsync(topic, text, { qos: 1 })));
  return texts;
}

/** A way to the broker that can be cut, as if the gateway had been killed. */
async function cuttable(): Promise<{ url: string; cut(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(Number(new URL(broker.ingressUrl).port), "127.0.0.1");
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket
        .on("error", () => {})
        .on("close", () => {
          from.destroy();
          to.destroy();
        });
    }
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(cut);
  return { url: `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`, cut };
}

describe.skipIf(!mosquittoIsHere)("the ingress of a gateway, at mosquitto", () => {
  test("takes what means something to twins, and nothing that we publish ourselves", async () => {
    groups++;
    const gateway = new Gateway({ decide: accept });
    await gateway.ingress.ready;
    const pump = await device();
    const up = [
      ["devices/pump-4/telemetry", "1"],
      ["devices/pump-4/heartbeat", "2"],
      ["devices/pump-4/status", "3"],
      ["devices/pump-4/commands/c1/ack", "4"],
      ["$aws/things/pump-4/shadow/get", "5"],
      ["$aws/things/pump-4/shadow/name/config/update", "6"],
    ] as const;
    const down = ["devices/pump-4/commands", "$aws/things/pump-4/shadow/get/accepted", "devices/pump-4/notes"];
    for (const topic of down) await pump.publishAsync(topic, "down", { qos: 1 });
    for (const [topic, text] of up) await pump.publishAsync(topic, text, { qos: 1 });
    await gateway.until(() => gateway.taken.length >= up.length);
    const taken = gateway.taken.map(({ message }) => [message.topic, message.payload.toString()] as const);
    expect(taken.toSorted((a, b) => a[1].localeCompare(b[1]))).toEqual(up);
  });

  test("hears who connects and what they subscribe to, where the broker tells it", async () => {
    groups++;
    const gateway = new Gateway({ decide: accept });
    await gateway.ingress.ready;
    const { ingressUrl: url, username, password } = broker;
    const presence = await startMosquittoPresence({ url, username, password, now: Date.now });
    onTestFinished(() => presence.stop());
    const pump = await device("pump-6");
    await pump.subscribeAsync("devices/pump-6/commands", { qos: 1 });
    await pump.endAsync();
    await gateway.until(() => gateway.taken.length >= 3);
    const inputs = gateway.taken.flatMap(({ message }) => {
      const event = presenceEvent(message.payload);
      return event.kind === "device" ? event.inputs.map(({ kind }) => `${event.device} ${kind}`) : [];
    });
    expect(inputs).toEqual(["pump-6 connected", "pump-6 listening", "pump-6 disconnected"]);
  });

  test("has at most so many messages under way; the broker keeps the rest, and none is lost", async () => {
    groups++;
    const gateway = new Gateway({ receiveMaximum: 1_000 });
    await gateway.ingress.ready;
    const sent = await publishAll(await device(), 3_000);
    await gateway.until(() => gateway.ingress.inFlight === 1_000);
    for (let settled = 0; settled < 3_000; settled++) {
      await gateway.until(() => gateway.taken.length > settled);
      expect(gateway.ingress.inFlight).toBeLessThanOrEqual(1_000);
      gateway.taken[settled]!.done(accept);
    }
    expect(gateway.texts()).toEqual(sent);
  });

  test("shares the load with another gateway of its group", async () => {
    groups++;
    const gateways = [1, 2].map((n) => new Gateway({ decide: accept, clientId: `doppel-gateway-${groups}-${n}` }));
    await Promise.all(gateways.map(({ ingress }) => ingress.ready));
    const sent = await publishAll(await device(), 400);
    const all = () => gateways.flatMap((gateway) => gateway.texts());
    for (const gateway of gateways) await gateway.until(() => all().length >= 400 || gateway.taken.length >= 200);
    expect(new Set(all())).toEqual(new Set(sent));
    for (const { taken } of gateways) expect(taken.length).toBeGreaterThan(100);
  });

  test("takes several connections if asked", async () => {
    groups++;
    const gateway = new Gateway({ decide: accept, connections: 3 });
    await gateway.ingress.ready;
    expect([gateway.ingress.connected, gateway.ingress.connections]).toEqual([3, 3]);
    const sent = await publishAll(await device(), 30);
    await gateway.until(() => gateway.taken.length >= 30);
    expect(new Set(gateway.texts())).toEqual(new Set(sent));
  });

  test("that is killed in the middle loses nothing: its next start gets what it had not acknowledged, marked", async () => {
    groups++;
    const way = await cuttable();
    const killed = new Gateway({ url: way.url });
    await killed.ingress.ready;
    const pump = await device();
    const before = await publishAll(pump, 60);
    await killed.until(() => killed.taken.length === 60);
    for (const { done } of killed.taken.slice(0, 20)) done(accept);
    // The acknowledgements have arrived when an answer to what was written after them has.
    await pump.publishAsync("devices/pump-4/heartbeat", "", { qos: 1 });
    await killed.until(() => killed.taken.length === 61);
    way.cut();
    const after = ["a", "b", "c"];
    for (const text of after) await pump.publishAsync("devices/pump-4/telemetry", text, { qos: 1 });
    const next = new Gateway({ decide: accept });
    await next.until(() => next.taken.length >= 44);
    const known = new Set([...killed.texts().slice(0, 20), ...next.texts()]);
    expect(known).toEqual(new Set([...before, "", ...after]));
    const marked = next.taken
      .filter(({ message }) => message.redelivered)
      .map(({ message }) => message.payload.toString());
    expect(marked).toEqual(expect.arrayContaining(before.slice(20)));
    expect(next.counts.redelivered).toBe(marked.length);
  });

  test("acknowledges a refused message, since the broker would deliver it for ever, and counts it", async () => {
    groups++;
    const gateway = new Gateway({ decide: { kind: "refuse", reasonCode: 0x99, reason: "unreadable" } });
    await gateway.ingress.ready;
    await publishAll(await device(), 5);
    await gateway.until(() => gateway.counts.refused === 5);
    expect(gateway.ingress.inFlight).toBe(0);
  });

  test("stopped for good, waits for what is under way and leaves nothing at the broker", async () => {
    groups++;
    const gateway = new Gateway({ receiveMaximum: 10 });
    await gateway.ingress.ready;
    const sent = await publishAll(await device(), 25);
    await gateway.until(() => gateway.taken.length === 10);
    const closed = gateway.ingress.close({ forGood: true });
    for (let settled = 0; settled < 25; settled++) {
      await gateway.until(() => gateway.taken.length > settled);
      gateway.taken[settled]!.done(accept);
    }
    await closed;
    expect(gateway.texts()).toEqual(sent);
    const next = new Gateway({ decide: accept });
    await next.ingress.ready;
    await publishAll(await device("pump-5"), 1, "devices/pump-5/heartbeat");
    await next.until(() => next.taken.length > 0);
    expect(next.taken.map(({ message }) => message.topic)).toEqual(["devices/pump-5/heartbeat"]);
  });

  test("stopped for a restart, has the broker keep what comes meanwhile", async () => {
    groups++;
    const first = new Gateway({ decide: accept });
    await first.ingress.ready;
    await first.ingress.close();
    const sent = await publishAll(await device(), 20);
    const next = new Gateway({ decide: accept });
    await next.until(() => next.taken.length >= 20);
    expect([next.texts(), next.counts.redelivered]).toEqual([sent, 0]);
  });

  test("that stops with a message that never ends does not wait for ever", async () => {
    groups++;
    const gateway = new Gateway();
    await gateway.ingress.ready;
    await publishAll(await device(), 1);
    await gateway.until(() => gateway.taken.length === 1);
    await gateway.ingress.close({ drainMs: 50 });
    expect(gateway.ingress.connected).toBe(0);
  });

  test("waits for a broker that is away, and takes up where it was", async () => {
    groups++;
    const gateway = new Gateway({ decide: accept, random: () => 0 });
    await gateway.ingress.ready;
    await broker.restart();
    await gateway.until(() => gateway.counts.connectionLost > 0);
    const pump = await device();
    while (gateway.taken.length === 0) {
      await pump.publishAsync("devices/pump-4/heartbeat", "", { qos: 1 });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(gateway.ingress.connected).toBe(1);
  });
});

test("the back-off grows to seconds, is spread, and never stops", () => {
  expect([0, 1, 2, 5, 6, 50].map((attempt) => backOffMs(attempt, 0))).toEqual([50, 100, 200, 500, 500, 500]);
  expect(backOffMs(0, 1)).toBe(75);
});

test("presence has a group of its own, so that a broker can keep it in order per device", () => {
  const filters = upSubscriptions("doppel");
  expect(filters).toHaveLength(11);
  expect(filters.at(-1)).toBe("$share/doppel-presence/presence/+");
  expect(filters).toContain("$share/doppel/$aws/things/+/shadow/name/+/update");
});
