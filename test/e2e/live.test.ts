import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { type Answer, type Doppel, eventually, startDoppel } from "../harness.ts";
import { breakOff, connectListening } from "./listening.ts";

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel({ graceSeconds: 1 });
});
afterAll(() => doppel?.close());

type Live = { readonly socket: WebSocket; readonly heard: Answer[]; tell(request: object): Promise<void> };

/** A WebSocket that has subscribed. */
async function listen(subscription: object): Promise<Live> {
  const socket = new WebSocket(`${doppel.httpUrl.replace("http", "ws")}/v1/live`);
  onTestFinished(() => socket.terminate());
  const heard: Answer[] = [];
  socket.on("message", (data) => heard.push(JSON.parse(String(data))));
  await once(socket, "open");
  const live: Live = {
    socket,
    heard,
    /** What is sent is taken in order: when nonsense has been answered, the request before it holds. */
    async tell(request) {
      const before = errors(live).length;
      socket.send(JSON.stringify(request));
      socket.send("and now?");
      await eventually(() => expect(errors(live).length).toBeGreaterThan(before));
    },
  };
  await live.tell({ subscribe: subscription });
  return live;
}

const ofType = ({ heard }: Live, type: string) => heard.filter((message) => message.type === type);
const errors = (live: Live) => ofType(live, "error");
const measure = (device: string, readings: object, more: object = {}) =>
  doppel.call("POST", `/v1/devices/${device}/telemetry`, { ...more, readings });

describe("who listens to a device", () => {
  test("hears it come, lose its connection and go", async () => {
    const live = await listen({ devices: ["come-and-go"] });
    const device = await connectListening(doppel.mqttUrl, "come-and-go");
    await eventually(() => expect(ofType(live, "presence")).toHaveLength(1));
    breakOff(device);
    await eventually(() =>
      expect(ofType(live, "presence")).toMatchObject([
        { device: "come-and-go", status: "online", connected: true, flapping: false },
        { status: "online", connected: false },
        { status: "offline", connected: false, lastSeen: null },
      ]),
    );
    const { since } = await doppel.call("GET", "/v1/devices/come-and-go");
    expect(ofType(live, "presence").at(-1).since).toBe(since);
  });

  test("hears what it measures, with the time of the reading", async () => {
    const live = await listen({ devices: ["meter"] });
    const device = await doppel.device("meter");
    const ts = Date.now() - 5_000;
    await device.publishAsync("devices/meter/telemetry", JSON.stringify({ ts, readings: { kwh: 3.5, open: true } }), {
      qos: 1,
    });
    await eventually(() =>
      expect(ofType(live, "telemetry")).toEqual([
        { type: "telemetry", device: "meter", ts: new Date(ts).toISOString(), readings: { kwh: 3.5, open: true } },
      ]),
    );
    // A duplicate and a bad message are no news.
    await measure("meter", { kwh: 3.5, open: true }, { ts });
    await measure("meter", { kwh: null });
    await measure("meter", { kwh: 4 });
    await eventually(() => expect(ofType(live, "telemetry").at(-1).readings).toEqual({ kwh: 4 }));
    expect(ofType(live, "telemetry")).toHaveLength(2);
  });

  test("hears each change of its shadows, desired, reported and their difference", async () => {
    const live = await listen({ devices: ["mirror"] });
    const device = await doppel.device("mirror");
    const desire = (desired: object, query = "") =>
      doppel.call("PATCH", `/v1/devices/mirror/shadow${query}`, { state: { desired } });
    await desire({ mode: "eco" });
    await device.publishAsync(
      "$aws/things/mirror/shadow/update",
      JSON.stringify({ state: { reported: { mode: "eco" } } }),
      { qos: 1 },
    );
    await eventually(() => expect(ofType(live, "shadow")).toHaveLength(2));
    await desire({ volume: 1 }, "?name=audio");
    await doppel.call("DELETE", "/v1/devices/mirror/shadow?name=audio");
    await eventually(() =>
      expect(ofType(live, "shadow").map(({ shadow, version, state }) => [shadow, version, state])).toEqual([
        ["", 1, { desired: { mode: "eco" }, delta: { mode: "eco" } }],
        ["", 2, { desired: { mode: "eco" }, reported: { mode: "eco" } }],
        ["audio", 1, { desired: { volume: 1 }, delta: { volume: 1 } }],
        ["audio", 1, null],
      ]),
    );
  });

  test("hears a command go its way, under its name, from queued to its end", async () => {
    const live = await listen({ devices: ["doer"] });
    await doppel.call("POST", "/v1/devices", { id: "doer" });
    const { id } = await doppel.call("POST", "/v1/devices/doer/commands", { name: "reboot" });
    await eventually(() => expect(ofType(live, "command")).toMatchObject([{ state: "queued" }]));
    const device = await connectListening(doppel.mqttUrl, "doer");
    await device.client.subscribeAsync("devices/doer/commands", { qos: 1 });
    await eventually(() => expect(device.heard).toHaveLength(1));
    for (const status of ["acknowledged", "succeeded"]) {
      await device.client.publishAsync(`devices/doer/commands/${id}/ack`, JSON.stringify({ status }), { qos: 1 });
      await eventually(() => expect(ofType(live, "command").at(-1).state).toBe(status));
    }
    await eventually(() =>
      expect(ofType(live, "command")).toEqual(
        ["queued", "sent", "acknowledged", "succeeded"].map((state) => ({
          type: "command",
          device: "doer",
          command: id,
          name: "reboot",
          state,
        })),
      ),
    );
  });

  test("hears nothing of other devices, and nothing more once it has unsubscribed", async () => {
    const live = await listen({ devices: ["mine", "witness"] });
    await measure("theirs", { a: 1 });
    await measure("mine", { a: 1 });
    await eventually(() => expect(ofType(live, "telemetry")).toHaveLength(1));
    await live.tell({ unsubscribe: { devices: ["mine"] } });
    await measure("mine", { a: 2 });
    await measure("witness", { a: 3 });
    await eventually(() => expect(ofType(live, "telemetry").map(({ device }) => device)).toContain("witness"));
    expect(live.heard.filter(({ device }) => device === "theirs")).toEqual([]);
    expect(ofType(live, "telemetry").map(({ readings }) => readings.a)).toEqual([1, 3]);
  });
});

test("who listens to a region hears its devices, those that move there too", async () => {
  const live = await listen({ regions: ["eu-live"] });
  await doppel.call("POST", "/v1/devices", { id: "native", region: "eu-live" });
  await doppel.call("POST", "/v1/devices", { id: "mover", region: "us-live" });
  await measure("mover", { a: 1 });
  await measure("native", { a: 2 });
  const told = () => ofType(live, "telemetry").map(({ device, readings }) => [device, readings.a]);
  await eventually(() => expect(told()).toEqual([["native", 2]]));
  await doppel.call("PATCH", "/v1/devices/mover", { region: "eu-live" });
  // Moves and measurements may be told by different parts of the log, which do not wait for each other.
  await eventually(async () => {
    await measure("mover", { a: 3 });
    expect(told()).toContainEqual(["mover", 3]);
  });
  expect(told()).not.toContainEqual(["mover", 1]);
});

test("who listens to the fleet hears all that come and go, and the numbers each second, but no telemetry", async () => {
  const live = await listen({ fleet: true });
  const ids = ["fleet-a", "fleet-b"];
  for (const id of ids) await doppel.device(id);
  await measure("fleet-a", { a: 1 });
  await eventually(() => {
    expect(ofType(live, "presence").map(({ device }) => device)).toEqual(expect.arrayContaining(ids));
    expect(ofType(live, "stats").at(-1)).toMatchObject({
      online: expect.any(Number),
      messagesPerSecond: expect.any(Number),
    });
    expect(ofType(live, "stats").at(-1).online).toBeGreaterThanOrEqual(2);
  });
  const asked = await doppel.call("GET", "/v1/stats");
  expect(Object.keys(ofType(live, "stats").at(-1))).toEqual(["type", ...Object.keys(asked)]);
  expect(ofType(live, "telemetry")).toEqual([]);
});

test("nonsense is answered with an error and ends nothing", async () => {
  const live = await listen({ devices: ["nonsense"] });
  for (const text of ["{", '{"subscribe":{}}', '{"subscribe":{"devices":["no id!"]}}', '{"listen":true}', "[]"]) {
    const before = errors(live).length;
    live.socket.send(text);
    await eventually(() => expect(errors(live).length).toBe(before + 1));
    expect(errors(live).at(-1).detail).not.toBe("");
  }
  await measure("nonsense", { a: 1 });
  await eventually(() => expect(ofType(live, "telemetry")).toHaveLength(1));
});

test("who reads too slowly gets the newest of each thing, not all that was missed, and holds up nobody", async () => {
  const slow = await listen({ devices: ["chatter", "whisper"] });
  const quick = await listen({ devices: ["chatter", "whisper"] });
  slow.socket.pause();
  const rounds = 200;
  const text = "x".repeat(150_000); // more than a socket holds, in all
  for (let round = 1; round <= rounds; round += 1) {
    await measure("chatter", { round, text });
    if (round === rounds / 2) await measure("whisper", { once: true });
  }
  const newest = (live: Live) => ofType(live, "telemetry").findLast(({ device }) => device === "chatter");
  await eventually(() => expect(newest(quick).readings.round).toBe(rounds));
  expect(ofType(slow, "telemetry")).toEqual([]);
  slow.socket.resume();
  await eventually(() => {
    expect(newest(slow).readings.round).toBe(rounds);
    expect(slow.heard).toContainEqual(expect.objectContaining({ device: "whisper", readings: { once: true } }));
  });
  const got = ofType(slow, "telemetry").filter(({ device }) => device === "chatter");
  expect(got.length).toBeLessThan(rounds);
  const order = got.map(({ readings }) => readings.round);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});

test("a restart tells its listeners to come again", async () => {
  const live = await listen({ fleet: true });
  const closed = once(live.socket, "close");
  await doppel.restart();
  expect((await closed)[0]).toBe(1001);
  const again = await listen({ devices: ["after"] });
  await measure("after", { a: 1 });
  await eventually(() => expect(ofType(again, "telemetry")).toHaveLength(1));
});
