import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { promisify } from "node:util";
import { generate, type Packet } from "mqtt-packet";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Raw } from "../../gateways/mqtt/listener/testing.ts";
import { type Doppel, embeddedOnly, eventually, mode, startDoppel } from "../harness.ts";
import { breakOff, closing, connectListening, isConnected, leaves } from "./listening.ts";

/** A broker of its own refuses them by its access list, and nobody else hears of them. */
const refusedByListener: [what: string, reason: string, leaf: string, payload: string | Buffer][] = [
  ["a topic that only the system has", "reserved-topic", "commands", "{}"],
  ["a topic of another device", "foreign-topic", "/devices/victim/telemetry", '{"readings":{"t":1}}'],
  ["a topic of no device", "foreign-topic", "/weather/today", "sunny"],
];

/** Of the embedded listener; a broker of its own has its limits and its words for them. */
const own = "the listener's limits and reason codes are a broker's affair there";
const maxPacketBytes = 16_384;
const run = promisify(execFile);

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel({ graceSeconds: 1, maxPacketBytes });
});
afterAll(() => doppel?.close());

const reading = (value: number, more: object = {}) => JSON.stringify({ ...more, readings: { value } });
const twin = (id: string) => doppel.call("GET", `/v1/devices/${id}`);

/** A socket on which the test speaks MQTT byte by byte. */
async function rawClient(clientId: string, clean = true): Promise<Raw> {
  const socket = connect({ port: doppel.mqttPort, host: "127.0.0.1", noDelay: true });
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  const raw = new Raw(socket);
  raw.write(generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId, clean, keepalive: 0 }));
  expect((await raw.read(4)).slice(0, 4)).toBe("2002");
  return raw;
}

async function metric(name: string, reason: string): Promise<number> {
  const lines = (await doppel.metrics()).split("\n").filter((each) => each.startsWith(`${name}{reason="${reason}"}`));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

describe("telemetry", () => {
  test.each([0, 1, 2] as const)("a reading sent with QoS %i reaches the twin once", async (qos) => {
    const id = `qos-${qos}`;
    const device = await doppel.device(id);
    await device.publishAsync(`devices/${id}/telemetry`, reading(7), { qos });
    await eventually(async () => expect((await twin(id)).latest.value).toMatchObject({ value: 7, count: 1 }));
  });

  test("a QoS 2 message that is sent again with DUP counts once, over a reconnect too", async () => {
    const publish = (dup: boolean): Packet => ({
      cmd: "publish",
      topic: "devices/twice/telemetry",
      payload: reading(1), // without a time or number of its own: only the protocol can tell that it is the same
      qos: 2,
      dup,
      retain: false,
      messageId: 9,
    });
    const raw = await rawClient("twice", false);
    raw.write(generate(publish(false)));
    expect(await raw.read(4)).toBe("50020009"); // PUBREC
    raw.write(generate(publish(true)));
    expect(await raw.read(4)).toBe("50020009");
    raw.socket.destroy();
    const again = await rawClient("twice", false);
    again.write(generate(publish(true)));
    expect(await again.read(4)).toBe("50020009");
    again.write(generate({ cmd: "pubrel", messageId: 9 }));
    expect(await again.read(4)).toBe("70020009"); // PUBCOMP
    await eventually(async () => expect((await twin("twice")).latest.value.count).toBe(1));
  });

  test("a QoS 1 message that is sent again counts once if it has a number or a time of its own", async () => {
    const device = await doppel.device("again");
    for (const more of [{ seq: 1, boot: "b" }, { id: "m-1" }, { ts: Date.now() }])
      for (let sent = 0; sent < 3; sent += 1)
        await device.publishAsync("devices/again/telemetry", reading(1, more), { qos: 1 });
    await device.publishAsync("devices/again/telemetry", reading(1, { id: "last" }), { qos: 1 });
    await eventually(async () => expect((await twin("again")).latest.value.count).toBe(4));
  });

  test("an app hears what devices measure, with the payload as it was sent", async () => {
    const app = await connectListening(doppel.mqttUrl, "listener-1", { username: "app" });
    await app.client.subscribeAsync("devices/+/telemetry", { qos: 1 });
    const device = await doppel.device("heard");
    await device.publishAsync("devices/heard/telemetry", reading(4, { seq: 4 }), { qos: 1 });
    await eventually(() =>
      expect(app.heard).toContainEqual(
        expect.objectContaining({ topic: "devices/heard/telemetry", text: reading(4, { seq: 4 }), qos: 1 }),
      ),
    );
  });

  test("an array holds many readings, and a bad one among them does not keep the others out", async () => {
    const device = await doppel.device("batch");
    const batch = [{ readings: { value: 1 } }, { readings: { value: null } }, { readings: { value: 3 } }];
    await device.publishAsync("devices/batch/telemetry", JSON.stringify(batch), { qos: 1 });
    await eventually(async () => {
      expect((await twin("batch")).latest.value).toMatchObject({ value: 3, count: 2 });
      const { items } = await doppel.call("GET", "/v1/dead-letters?device=batch");
      expect(items).toMatchObject([{ reason: "bad-reading-type", payload: '{"readings":{"value":null}}' }]);
    });
  });
});

describe("sessions, wills and retained messages", () => {
  test("a retained status and a retained plain message are there after a restart", async () => {
    const device = await doppel.device("keeper");
    await device.publishAsync("devices/keeper/status", "online", { qos: 1, retain: true });
    await device.publishAsync("devices/keeper/config/current", "v7", { qos: 1, retain: true });
    await doppel.restart();
    const app = await connectListening(doppel.mqttUrl, "listener-2", { username: "app" });
    await app.client.subscribeAsync("devices/keeper/#");
    await eventually(() => {
      const kept = app.heard.map(({ topic, text, retain }) => [topic, text, retain]);
      expect(kept.toSorted()).toEqual([
        ["devices/keeper/config/current", "v7", true],
        ["devices/keeper/status", "online", true],
      ]);
    });
  });

  test("a last will reaches the apps, and the device shows as offline", async () => {
    const app = await connectListening(doppel.mqttUrl, "listener-3", { username: "app" });
    await app.client.subscribeAsync("devices/mortal/status", { qos: 1 });
    const device = await connectListening(doppel.mqttUrl, "mortal", {
      will: { topic: "devices/mortal/status", payload: Buffer.from("offline"), qos: 1, retain: true },
    });
    await isConnected(doppel, "mortal");
    expect(await twin("mortal")).toMatchObject({ status: "online" });
    breakOff(device);
    await eventually(() => expect(app.heard).toMatchObject([{ topic: "devices/mortal/status", text: "offline" }]));
    await eventually(async () => expect(await twin("mortal")).toMatchObject({ status: "offline", connected: false }));
  });

  test("a device that sleeps gets the commands and the delta of its time away when it wakes", async () => {
    const options = { clean: false };
    const before = await connectListening(doppel.mqttUrl, "sleeper", options);
    expect(before.connack.sessionPresent).toBe(false);
    await before.client.subscribeAsync(
      ["devices/sleeper/commands", "$aws/things/sleeper/shadow/update/delta", "devices/sleeper/notes"],
      { qos: 1 },
    );
    await leaves(doppel, "sleeper", before);

    for (const name of ["first", "second"]) await doppel.call("POST", "/v1/devices/sleeper/commands", { name });
    for (const mode of ["eco", "fast"])
      await doppel.call("PATCH", "/v1/devices/sleeper/shadow", { state: { desired: { mode } } });
    const app = await doppel.device("note-maker", { username: "app" });
    await app.publishAsync("devices/sleeper/notes", "while you slept", { qos: 1 });

    const after = await connectListening(doppel.mqttUrl, "sleeper", options);
    expect(after.connack.sessionPresent).toBe(true);
    await eventually(() => {
      const commands = after.heard.filter(({ topic }) => topic === "devices/sleeper/commands");
      expect(commands.map(({ json }) => json.name)).toEqual(["first", "second"]);
      const deltas = after.heard.filter(({ topic }) => topic.endsWith("/shadow/update/delta"));
      expect(deltas.at(-1)?.json).toMatchObject({ state: { mode: "fast" }, version: 2 });
      expect(after.heard).toContainEqual(expect.objectContaining({ text: "while you slept" }));
    });
  });
});

describe("what a device may not say", () => {
  let bystander: Awaited<ReturnType<Doppel["device"]>>;
  let faulty = 0;
  beforeAll(async () => {
    bystander = await doppel.device("bystander");
  });

  /** The fault of another device leaves this one's connection as it was. */
  async function bystanderIsWell(): Promise<void> {
    await bystander.publishAsync("devices/bystander/telemetry", reading(1), { qos: 1 });
    expect(bystander.connected).toBe(true);
  }

  test.each<[what: string, reason: string, leaf: string, payload: string | Buffer]>([
    ["JSON that is malformed", "malformed-json", "telemetry", '{"readings":{'],
    ["text that is not UTF-8", "not-utf8", "telemetry", Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ["a reading of an unknown type", "bad-reading-type", "telemetry", '{"readings":{"t":{"deep":1}}}'],
    ["a field that is unknown", "unknown-field", "telemetry", '{"reading":{"t":1}}'],
    ["a time that is none", "bad-timestamp", "telemetry", '{"ts":"yesterday","readings":{"t":1}}'],
    ["a status that is none", "bad-status", "status", "asleep"],
    ["an acknowledgement of no command", "unknown-command", "commands/c-9/ack", '{"status":"succeeded"}'],
    ...(mode === "embedded" ? refusedByListener : []),
  ])("%s is a dead letter with its reason, counted, and no one else's trouble", async (_, reason, leaf, payload) => {
    const id = `faulty-${++faulty}`;
    const topic = leaf.startsWith("/") ? leaf.slice(1) : `devices/${id}/${leaf}`;
    const stats = await doppel.call("GET", "/v1/stats");
    const counted = await metric("doppel_dead_letters_total", reason);
    const device = await doppel.device(id);
    await device.publishAsync(topic, payload, { qos: 1 });
    expect(device.connected).toBe(true);
    const kept =
      typeof payload === "string"
        ? { payload, encoding: "utf8" }
        : { payload: payload.toString("base64"), encoding: "base64" };
    await eventually(async () => {
      const { items } = await doppel.call("GET", `/v1/dead-letters?device=${id}`);
      expect(items).toMatchObject([{ device: id, reason, topic, ...kept }]);
      expect(items[0].detail).not.toBe("");
      const now = await doppel.call("GET", "/v1/stats");
      expect(now.deadLetters[reason]).toBe((stats.deadLetters[reason] ?? 0) + 1);
    });
    await eventually(async () => expect(await metric("doppel_dead_letters_total", reason)).toBe(counted + 1));
    await doppel.call("GET", "/v1/devices/victim", undefined, 404);
    await bystanderIsWell();
  });

  embeddedOnly(own, () => {
    test("a packet over the limit ends the connection that sent it, and is counted", async () => {
      const counted = await metric("doppel_mqtt_violations_total", "packet too large");
      const device = await connectListening(doppel.mqttUrl, "too-loud", { protocolVersion: 5 });
      // The server has told its limit, which MQTT.js does not keep to.
      expect(device.connack.properties?.maximumPacketSize).toBe(maxPacketBytes);
      const told = new Promise((resolve) => device.client.once("disconnect", resolve));
      const closed = closing(device);
      device.client.publish("devices/too-loud/telemetry", "x".repeat(maxPacketBytes));
      expect(await told).toMatchObject({ reasonCode: 0x95 });
      await closed;
      expect(await metric("doppel_mqtt_violations_total", "packet too large")).toBe(counted + 1);
      await bystanderIsWell();
    });

    test("a topic that is not UTF-8 ends the connection that sent it, and is counted", async () => {
      const counted = await metric("doppel_mqtt_violations_total", "bad utf-8");
      const raw = await rawClient("bad-topic");
      const publish = generate({
        cmd: "publish",
        topic: "devices/bad-topic/xx",
        payload: "x",
        qos: 0,
        dup: false,
        retain: false,
      });
      publish.set([0xc3, 0x28], publish.indexOf("xx"));
      raw.write(publish);
      await raw.rest();
      expect(await metric("doppel_mqtt_violations_total", "bad utf-8")).toBe(counted + 1);
      await bystanderIsWell();
    });

    test.each(["#", "devices/+/telemetry", "devices/bystander/commands", "$aws/things/bystander/shadow/#"])(
      "a subscription to %s is refused to a device",
      async (filter) => {
        const raw = await rawClient("curious");
        raw.write(generate({ cmd: "subscribe", messageId: 5, subscriptions: [{ topic: filter, qos: 1 }] }));
        expect(await raw.read(5)).toBe("9003000580");
        await bystanderIsWell();
      },
    );
  });
});

embeddedOnly(own, () => {
  describe("MQTT 5", () => {
    test.each([
      ["a payload that cannot be read", "devices/five/telemetry", "{", 0x99],
      ["a topic of another device", "devices/six/telemetry", "{}", 0x87],
      ["a topic that only the system has", "devices/five/commands", "{}", 0x90],
    ] as const)("says by reason code that it refuses %s", async (_, topic, payload, code) => {
      const device = await doppel.device("five", { protocolVersion: 5 });
      for (const qos of [1, 2] as const)
        await expect(device.publishAsync(topic, payload, { qos })).rejects.toMatchObject({ code });
      expect(device.connected).toBe(true);
    });

    test("says by reason code why a subscription is not made", async () => {
      const device = await doppel.device("five-b", { protocolVersion: 5 });
      const codes = await new Promise<number[]>((resolve) => {
        device.on("packetreceive", (packet) => {
          if (packet.cmd === "suback") resolve(packet.granted as number[]);
        });
        device.subscribe(
          ["devices/five-b/commands", "devices/five/commands", "$share/g/devices/five-b/notes"],
          () => {},
        );
      });
      expect(codes).toEqual([0, 0x87, 0x9e]);
    });

    test("refuses a client id that no device can have", async () => {
      await expect(connectListening(doppel.mqttUrl, "no spaces", { protocolVersion: 5 })).rejects.toMatchObject({
        code: 0x85,
      });
      await expect(connectListening(doppel.mqttUrl, "no spaces")).rejects.toMatchObject({ code: 2 });
    });
  });
});

test("MQTT over WebSocket is the same MQTT", async () => {
  const device = await connectListening(doppel.wsUrl, "webby");
  await device.client.subscribeAsync("devices/webby/commands", { qos: 1 });
  await device.client.publishAsync("devices/webby/telemetry", reading(3), { qos: 2 });
  await eventually(async () =>
    expect(await twin("webby")).toMatchObject({ status: "online", latest: { value: { value: 3, count: 1 } } }),
  );
  await doppel.call("POST", "/v1/devices/webby/commands", { name: "blink" });
  await eventually(() => expect(device.heard).toMatchObject([{ json: { name: "blink" } }]));
});

const mosquitto = await run("mosquitto_pub", ["--help"]).then(
  () => true,
  (error: { code?: unknown }) => error.code !== "ENOENT",
);
// Not a skipped test where it is missing: the others say the same of MQTT.js.
if (mosquitto) {
  test("mosquitto_pub and mosquitto_sub speak to it as they are", async () => {
    const at = ["-h", "127.0.0.1", "-p", String(doppel.mqttPort)];
    const heard = run("mosquitto_sub", [...at, "-u", "app", "-t", "devices/mosquito/telemetry", "-C", "1", "-W", "20"]);
    await eventually(async () => {
      await run("mosquitto_pub", [
        ...at,
        ...["-i", "mosquito", "-t", "devices/mosquito/telemetry", "-q", "1", "-m", reading(5, { seq: 1, boot: "b" })],
      ]);
      expect((await twin("mosquito")).latest.value).toMatchObject({ value: 5, count: 1 });
      const settled = await Promise.race([heard.then(() => true), new Promise((resolve) => setTimeout(resolve, 200))]);
      expect(settled).toBe(true);
    });
    expect((await heard).stdout.trim()).toBe(reading(5, { seq: 1, boot: "b" }));
  });
}
