import { connect as openSocket } from "node:net";
import { networkInterfaces } from "node:os";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { NativeMosquitto } from "./mosquitto.ts";
import { SHARED_AWS_PREFIX } from "./mosquitto-config.ts";
import { startMosquittoPresence } from "./mosquitto-presence.ts";
import { mosquittoIsHere, testMosquitto } from "./testing.ts";

type Heard = { topic: string; payload: string; dup: boolean };

async function connect(url: string, options: IClientOptions): Promise<{ client: MqttClient; heard: Heard[] }> {
  const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 0, ...options });
  client.on("error", () => {});
  onTestFinished(() => client.endAsync(true));
  const heard: Heard[] = [];
  client.on("message", (topic, payload, { dup }) => heard.push({ topic, payload: payload.toString(), dup }));
  await new Promise((resolve) => client.once("connect", resolve));
  return { client, heard };
}

const device = (broker: NativeMosquitto, clientId: string, options: IClientOptions = {}) =>
  connect(broker.deviceUrl, { clientId, ...options });
const ingress = ({ ingressUrl, username, password }: NativeMosquitto, clientId: string, options: IClientOptions = {}) =>
  connect(ingressUrl, { clientId, username, password, ...options });

const qos1 = { qos: 1 } as const;

async function start(): Promise<NativeMosquitto> {
  const { broker, close } = await testMosquitto();
  onTestFinished(close);
  return broker;
}

/** Of the ports, those that answer on an address of this machine that is not loopback. */
async function reachableFromOutside(ports: number[]): Promise<number[]> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.find(({ internal, family }) => !internal && family === "IPv4");
  if (outside === undefined) return [];
  const answers = ports.map(
    (port) =>
      new Promise<number[]>((resolve) => {
        const socket = openSocket({ port, host: outside.address });
        socket.once("connect", () => resolve([port]));
        socket.once("error", () => resolve([]));
        onTestFinished(() => void socket.destroy());
      }),
  );
  return (await Promise.all(answers)).flat();
}

describe.skipIf(!mosquittoIsHere)("mosquitto in the place of EMQX", () => {
  test("lets a device speak for itself alone, and hear what is sent to it", async () => {
    const broker = await start();
    const ours = await ingress(broker, "doppel-a");
    await ours.client.subscribeAsync(["devices/+/telemetry", "$aws/things/+/shadow/#"], qos1);
    const pump = await device(broker, "pump-1");
    await pump.client.subscribeAsync(["devices/pump-1/commands", "$aws/things/pump-1/shadow/#"], qos1);
    await pump.client.publishAsync("devices/pump-1/telemetry", "1", qos1);
    await pump.client.publishAsync("$aws/things/pump-1/shadow/update", "2", qos1);
    await ours.client.publishAsync("devices/pump-2/commands", "not for it", qos1);
    await ours.client.publishAsync("devices/pump-1/commands", "for it", qos1);
    await vi.waitFor(() => expect(pump.heard.at(-1)).toMatchObject({ topic: "devices/pump-1/commands" }));
    expect(pump.heard.map(({ payload }) => payload)).not.toContain("not for it");
    expect(ours.heard.map(({ payload }) => payload)).toEqual(["1", "2"]);
    await expect(pump.client.publishAsync("devices/pump-2/telemetry", "forged", qos1)).rejects.toThrow("authorized");
    expect(ours.heard).toHaveLength(2);
  });

  test("lets only those with the password into our listener", async () => {
    const broker = await start();
    await expect(mqtt.connectAsync(broker.ingressUrl, { reconnectPeriod: 0 })).rejects.toThrow(/authori[sz]ed/i);
    const wrong = { username: broker.username, password: "wrong", reconnectPeriod: 0 };
    await expect(mqtt.connectAsync(broker.ingressUrl, wrong)).rejects.toThrow(/authori[sz]ed/i);
  });

  test("takes devices over WebSocket, on loopback only", async () => {
    const broker = await start();
    const pump = await connect(broker.wsUrl, { clientId: "pump-1" });
    await pump.client.publishAsync("devices/pump-1/telemetry", "1", qos1);
    const ports = [broker.deviceUrl, broker.wsUrl, broker.ingressUrl].map((url) => Number(new URL(url).port));
    expect(await reachableFromOutside(ports)).toEqual([]);
  });

  test("shares what devices publish, also below $aws/, between members", async () => {
    const broker = await start();
    const members = await Promise.all([ingress(broker, "doppel-a"), ingress(broker, "doppel-b")]);
    const filters = [`$share/doppel/${SHARED_AWS_PREFIX}things/+/shadow/#`, "$share/doppel/devices/+/telemetry"];
    for (const { client } of members) await client.subscribeAsync(filters, qos1);
    const pump = await device(broker, "pump-1");
    for (let i = 0; i < 10; i++) {
      await pump.client.publishAsync("devices/pump-1/telemetry", `t${i}`, qos1);
      await pump.client.publishAsync("$aws/things/pump-1/shadow/update", `s${i}`, qos1);
    }
    await vi.waitFor(() => expect(members.map(({ heard }) => heard.length)).toEqual([10, 10]));
    expect(new Set(members.flatMap(({ heard }) => heard.map(({ payload }) => payload))).size).toBe(20);
    expect(members[0]?.heard.find(({ payload }) => payload.startsWith("s"))?.topic).toBe(
      `${SHARED_AWS_PREFIX}things/pump-1/shadow/update`,
    );
  });

  test("gives a persistent member that died all it had not acknowledged, when it is back", async () => {
    const broker = await start();
    const session: IClientOptions = { clean: false, properties: { sessionExpiryInterval: 3_600 } };
    const first = await ingress(broker, "doppel-a", session);
    let received = 0;
    first.client.handleMessage = (_, done) => {
      received++;
      done(new Error("not acknowledged")); // MQTT.js goes on to the next without PUBACK
    };
    await first.client.subscribeAsync("$share/doppel/devices/+/telemetry", qos1);
    const pump = await device(broker, "pump-1");
    for (let i = 0; i < 3; i++) await pump.client.publishAsync("devices/pump-1/telemetry", `${i}`, qos1);
    await vi.waitFor(() => expect(received).toBe(3));
    first.client.stream.destroy();
    await pump.client.publishAsync("devices/pump-1/telemetry", "3", qos1);
    const again = await ingress(broker, "doppel-a", session);
    await vi.waitFor(() => expect(again.heard).toHaveLength(4));
    expect(again.heard.map(({ payload }) => payload)).toEqual(["0", "1", "2", "3"]);
    expect(again.heard.slice(0, 3).every(({ dup }) => dup)).toBe(true);
  });

  test("tells presence and subscriptions as EMQX does", async () => {
    const broker = await start();
    const { ingressUrl: url, username, password } = broker;
    let nowMs = 1_000;
    const presence = await startMosquittoPresence({ url, username, password, now: () => nowMs++ });
    onTestFinished(() => presence.stop());
    const ours = await ingress(broker, "doppel-a");
    await ours.client.subscribeAsync("presence/+", qos1);
    const told = () => ours.heard.map(({ payload }) => JSON.parse(payload));
    const kinds = () => told().map(({ event, reason, topic }) => [event, reason ?? topic]);
    const old = await device(broker, "pump-1", { username: "alice", keepalive: 9 });
    await old.client.subscribeAsync("devices/pump-1/commands", qos1);
    const young = await device(broker, "pump-1", { protocolVersion: 4 });
    young.client.stream.destroy();
    await vi.waitFor(() => expect(kinds()).toHaveLength(5));
    const last = await device(broker, "pump-1");
    await last.client.endAsync();
    await vi.waitFor(() => expect(kinds()).toHaveLength(7));
    expect(kinds()).toEqual([
      ["client.connected", undefined],
      ["session.subscribed", "devices/pump-1/commands"],
      ["client.disconnected", "takenover"],
      ["client.connected", undefined],
      ["client.disconnected", "tcp_closed"],
      ["client.connected", undefined],
      ["client.disconnected", "normal"],
    ]);
    expect(told()[0]).toMatchObject({ clientid: "pump-1", username: "alice", keepalive: 9, proto_ver: 5 });
    expect(told()[3]).toMatchObject({ proto_ver: 4 });
    expect(ours.heard[0]?.topic).toBe("presence/pump-1");
    expect(told()[2].connected_at).toBe(told()[0].connected_at);
    expect(told()[4].connected_at).toBe(told()[3].connected_at);
  });

  test("comes back on the same ports after it was killed", async () => {
    const broker = await start();
    await broker.process.kill();
    await broker.restart();
    const ours = await ingress(broker, "doppel-a");
    await ours.client.subscribeAsync(`${SHARED_AWS_PREFIX}things/+/shadow/#`, qos1);
    const pump = await device(broker, "pump-1");
    await pump.client.publishAsync("$aws/things/pump-1/shadow/get", "", qos1);
    await vi.waitFor(() => expect(ours.heard).toHaveLength(1));
  });
});
