import mqtt from "mqtt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { NativeMosquitto } from "../../deploy/native/mosquitto.ts";
import { mosquittoIsHere, testMosquitto } from "../../deploy/native/testing.ts";
import { downlinkContract, type Heard, type OpenedDownlink } from "./contract.ts";
import { type MqttDownlinkOptions, openMqttDownlink } from "./mqtt.ts";

async function open(options: Partial<MqttDownlinkOptions> = {}) {
  const { broker, close } = await testMosquitto();
  const { ingressUrl: url, username, password } = broker;
  const all: Heard[] = [];
  let wake: () => void = () => {};
  const listener = await mqtt.connectAsync(url, {
    username,
    password,
    clientId: "doppel-listener",
    protocolVersion: 5,
  });
  listener.on("message", (topic, payload, { qos }) => {
    all.push({ topic, payload, qos });
    wake();
  });
  listener.on("error", () => {});
  await listener.subscribeAsync("devices/#", { qos: 1 });
  const log = { info: () => {}, warn: () => {} };
  const port = openMqttDownlink({
    url,
    username,
    password,
    clientIdPrefix: "doppel-actors",
    timeoutMs: 20_000,
    log,
    ...options,
  });
  await port.ready;
  return {
    port,
    broker,
    heard: async (count: number) => {
      while (all.length < count)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return all;
    },
    leave: () => broker.process.kill(),
    close: async () => {
      await port.close();
      await listener.endAsync(true);
      await close();
    },
  } satisfies OpenedDownlink & { broker: NativeMosquitto };
}

describe.skipIf(!mosquittoIsHere)("over MQTT", () => {
  downlinkContract("openMqttDownlink", open);

  test("a short absence of the broker is waited for, and what is sent meanwhile goes out in order", async () => {
    const { port, broker, close } = await open({ random: () => 0 });
    onTestFinished(close);
    await broker.process.kill();
    const late = ["1", "2", "3"].map((payload) =>
      port.publish({ topic: "devices/a/commands", payload, qos: 1, retain: true }),
    );
    await broker.restart();
    await Promise.all(late);
    const app = await mqtt.connectAsync(broker.ingressUrl, { username: broker.username, password: broker.password });
    onTestFinished(() => app.endAsync(true));
    const retained = new Promise((resolve) => app.once("message", (_topic, payload) => resolve(payload.toString())));
    await app.subscribeAsync("devices/a/commands", { qos: 1 });
    expect(await retained).toBe("3");
  });

  test("no more than so many messages wait for a broker that is away", async () => {
    const { port, leave, close } = await open({ maxWaiting: 3, connections: 1, timeoutMs: 500 });
    onTestFinished(close);
    await leave();
    // A broker's end is heard a moment later: until then QoS 0 is handed to the socket, as sent.
    await vi.waitUntil(() => !port.connected);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, (_, n) => port.publish({ topic: "devices/a/commands", payload: `${n}`, qos: 0 })),
    );
    const reasons = outcomes.map((outcome) => (outcome.status === "rejected" ? `${outcome.reason.message}` : "sent"));
    expect(reasons.filter((reason) => reason.includes("wait for the broker already"))).toHaveLength(2);
    expect(reasons.filter((reason) => reason.includes("has not taken a message"))).toHaveLength(3);
  });
});
