import { once } from "node:events";
import { connect } from "node:net";
import { generate } from "mqtt-packet";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Answer, type Doppel, embeddedOnly, eventually, startDoppel } from "../harness.ts";
import { connectListening, type Heard, isConnected, type Listening, leaves } from "./listening.ts";

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel({ graceSeconds: 1 });
});
afterAll(() => doppel?.close());

const topic = (thing: string, leaf: string, name = "") =>
  `$aws/things/${thing}/shadow${name === "" ? "" : `/name/${name}`}/${leaf}`;

/** A device that hears every answer and delta of its shadows. */
async function shadowDevice(thing: string): Promise<Listening> {
  const device = await connectListening(doppel.mqttUrl, thing);
  await device.client.subscribeAsync(`$aws/things/${thing}/shadow/#`, { qos: 1 });
  await isConnected(doppel, thing);
  return device;
}

const ask = ({ client }: Listening, asked: string, body: object | string = "") =>
  client.publishAsync(asked, typeof body === "string" ? body : JSON.stringify(body), { qos: 1 });

const of = ({ heard }: Listening, asked: string): Heard[] => heard.filter((message) => message.topic === asked);

/** The newest message on a topic, once it is like `expected`. */
async function hears(device: Listening, asked: string, expected: object): Promise<Answer> {
  return eventually(() => {
    const newest = of(device, asked).at(-1)?.json;
    expect(newest).toMatchObject(expected);
    return newest;
  });
}

const path = (thing: string, name = "") => `/v1/devices/${thing}/shadow${name === "" ? "" : `?name=${name}`}`;
const shadow = (thing: string, name = "") => doppel.call("GET", path(thing, name));
const desire = (thing: string, desired: object | null, name = "", expect?: number) =>
  doppel.call("PATCH", path(thing, name), { state: { desired } }, expect);

async function request(method: string, where: string, headers: Record<string, string>, body?: object) {
  const response = await fetch(new URL(where, doppel.httpUrl), {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, etag: response.headers.get("etag"), body: (await response.json()) as Answer };
}

describe("the shadow", () => {
  test("holds what the device reports and what an app desires, and the device hears the difference", async () => {
    const lamp = await shadowDevice("lamp");
    await ask(lamp, topic("lamp", "update"), { state: { reported: { power: "off", level: 3 } }, clientToken: "t-1" });
    await hears(lamp, topic("lamp", "update/accepted"), { version: 1, clientToken: "t-1" });

    await desire("lamp", { power: "on", level: 3 });
    await hears(lamp, topic("lamp", "update/delta"), { version: 2, state: { power: "on" } });
    expect(await shadow("lamp")).toMatchObject({
      version: 2,
      state: { desired: { power: "on", level: 3 }, reported: { power: "off", level: 3 }, delta: { power: "on" } },
    });

    await ask(lamp, topic("lamp", "update"), { state: { reported: { power: "on" } } });
    await hears(lamp, topic("lamp", "update/accepted"), { version: 3 });
    expect((await shadow("lamp")).state).toEqual({
      desired: { power: "on", level: 3 },
      reported: { power: "on", level: 3 },
    });
    expect(of(lamp, topic("lamp", "update/delta"))).toHaveLength(1);
  });

  test("is read by the device over MQTT as by an app over HTTP", async () => {
    const fan = await shadowDevice("fan");
    await ask(fan, topic("fan", "get"));
    await hears(fan, topic("fan", "get/rejected"), { code: 404, message: "No shadow exists with name: fan" });
    await desire("fan", { speed: 2 });
    await ask(fan, topic("fan", "get"), { clientToken: "g" });
    const { clientToken, timestamp, ...document } = await hears(fan, topic("fan", "get/accepted"), { version: 1 });
    expect(clientToken).toBe("g");
    expect(await shadow("fan")).toMatchObject(document);
  });

  test("says its difference again to a device that comes back, and nothing to one that has caught up", async () => {
    const before = await shadowDevice("valve");
    await leaves(doppel, "valve", before);
    await desire("valve", { open: true });
    await desire("valve", { flow: 4 });
    const back = await shadowDevice("valve");
    await hears(back, topic("valve", "update/delta"), { version: 2, state: { open: true, flow: 4 } });
    await ask(back, topic("valve", "update"), { state: { reported: { open: true, flow: 4 } } });
    await hears(back, topic("valve", "update/accepted"), { version: 3 });
    const again = await shadowDevice("valve");
    await ask(again, topic("valve", "get"));
    await hears(again, topic("valve", "get/accepted"), { version: 3 });
    expect(of(again, topic("valve", "update/delta"))).toEqual([]);
  });

  test("loses a key that is set to null, and its version grows by one with each change", async () => {
    await doppel.call("POST", "/v1/devices", { id: "null-1" });
    await desire("null-1", { a: 1, b: { c: 2, d: 3 } });
    await desire("null-1", { a: null, b: { c: null } });
    expect(await shadow("null-1")).toMatchObject({ version: 2, state: { desired: { b: { d: 3 } } } });
    await desire("null-1", null);
    const { version, state } = await shadow("null-1");
    expect([version, state]).toEqual([3, {}]);
  });

  test("that is deleted is gone for all, and made anew goes on counting its versions", async () => {
    const device = await shadowDevice("phoenix");
    await desire("phoenix", { a: 1 });
    await ask(device, topic("phoenix", "delete"));
    await hears(device, topic("phoenix", "delete/accepted"), { version: 1 });
    await doppel.call("GET", path("phoenix"), undefined, 404);
    await desire("phoenix", { b: 1 });
    expect(await shadow("phoenix")).toMatchObject({ version: 2, state: { desired: { b: 1 } } });
  });

  test("survives a restart, the pending difference too", async () => {
    await doppel.call("POST", "/v1/devices", { id: "durable" });
    await desire("durable", { mode: "eco" });
    await doppel.restart();
    const device = await shadowDevice("durable");
    await hears(device, topic("durable", "update/delta"), { version: 1, state: { mode: "eco" } });
  });
});

describe("a conditional change", () => {
  test("over HTTP is made only if the version is the one of If-Match", async () => {
    await doppel.call("POST", "/v1/devices", { id: "cond-1" });
    await desire("cond-1", { a: 1 });
    const body = { state: { desired: { a: 2 } } };
    const { etag } = await request("GET", path("cond-1"), {});
    expect(etag).toBe('"1"');
    expect(await request("PATCH", path("cond-1"), { "if-match": etag ?? "" }, body)).toMatchObject({
      status: 200,
      etag: '"2"',
    });
    expect(await request("PATCH", path("cond-1"), { "if-match": '"1"' }, body)).toMatchObject({
      status: 412,
      body: { type: "urn:doppel:problem:precondition-failed" },
    });
    expect(await request("DELETE", path("cond-1"), { "if-match": '"1"' })).toMatchObject({ status: 412 });
    expect(await shadow("cond-1")).toMatchObject({ version: 2, state: { desired: { a: 2 } } });
  });

  test("names its version in the body over MQTT and HTTP alike", async () => {
    const device = await shadowDevice("cond-2");
    const update = (version: number) => ({ state: { reported: { v: version } }, version });
    await ask(device, topic("cond-2", "update"), { state: { reported: { v: 0 } } });
    await ask(device, topic("cond-2", "update"), update(1));
    await hears(device, topic("cond-2", "update/accepted"), { version: 2 });
    await ask(device, topic("cond-2", "update"), update(1));
    await hears(device, topic("cond-2", "update/rejected"), { code: 409, message: "Version conflict" });
    await doppel.call("PATCH", path("cond-2"), update(1), 409);
    expect((await doppel.call("PATCH", path("cond-2"), update(2), 200)).version).toBe(3);
  });

  test("of ten apps that read the same version, one wins", async () => {
    await doppel.call("POST", "/v1/devices", { id: "cond-3" });
    await desire("cond-3", { winner: null, open: true });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, app) =>
        request("PATCH", path("cond-3"), { "if-match": '"1"' }, { state: { desired: { winner: app } } }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(9).fill(412)]);
    const winner = answers.findIndex(({ status }) => status === 200);
    expect((await shadow("cond-3")).state.desired.winner).toBe(winner);
  });
});

describe("named shadows", () => {
  test("are apart from each other and from the classic one, in state, version and topics", async () => {
    const device = await shadowDevice("hub");
    await desire("hub", { a: 0 });
    await desire("hub", { a: 1 }, "radio");
    await desire("hub", { a: 2 }, "radio");
    await hears(device, topic("hub", "update/delta", "radio"), { version: 2, state: { a: 2 } });
    await hears(device, topic("hub", "update/delta"), { version: 1, state: { a: 0 } });
    await ask(device, topic("hub", "update", "battery"), { state: { reported: { percent: 80 } } });
    await hears(device, topic("hub", "update/accepted", "battery"), { version: 1 });
    expect(await doppel.call("GET", "/v1/devices/hub/shadows")).toEqual({ names: ["", "battery", "radio"] });
    expect((await doppel.call("GET", "/v1/devices/hub")).shadows).toMatchObject({
      "": { version: 1 },
      battery: { version: 1, state: { reported: { percent: 80 } } },
      radio: { version: 2 },
    });
    await doppel.call("DELETE", path("hub", "radio"));
    expect((await doppel.call("GET", "/v1/devices/hub/shadows")).names).toEqual(["", "battery"]);
  });

  test("all say their difference again to a device that comes back", async () => {
    await doppel.call("POST", "/v1/devices", { id: "hub-2" });
    for (const name of ["", "one", "two"]) await desire("hub-2", { from: name }, name);
    const device = await shadowDevice("hub-2");
    for (const name of ["", "one", "two"])
      await hears(device, topic("hub-2", "update/delta", name), { version: 1, state: { from: name } });
  });
});

describe("a request that cannot be taken", () => {
  let refused = 0;

  test.each([
    ["that is no JSON", "{", 400, "Invalid JSON"],
    ["without a state", "{}", 400, "Missing required node: state"],
    ["with a state that is no object", '{"state":3}', 400, "State node must be an object"],
    ["with a section that is unknown", '{"state":{"wished":{}}}', 400, "State contains an invalid node"],
    [
      "that is too large",
      { state: { reported: { text: "x".repeat(9_000) } } },
      413,
      "The payload exceeds the maximum size allowed",
    ],
    [
      "that is nested too deeply",
      { state: { reported: { a: { b: { c: { d: { e: { f: { g: 1 } } } } } } } } },
      400,
      "JSON contains too many levels of nesting; maximum is 6",
    ],
  ])(
    "%s is rejected over MQTT with AWS's code and words, and over HTTP with the same status",
    async (_, body, code, message) => {
      const id = `refused-${++refused}`;
      const device = await shadowDevice(id);
      await ask(device, topic(id, "update"), body);
      await hears(device, topic(id, "update/rejected"), { code, message });
      const response = await fetch(new URL(path(id), doppel.httpUrl), {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      expect([response.status, response.headers.get("content-type")]).toEqual([code, "application/problem+json"]);
      expect((await doppel.call("GET", `/v1/devices/${id}`)).shadows).toEqual({});
    },
  );

  embeddedOnly("a broker of its own does not say who published: where the registry is open the thing is made", () => {
    test("because nobody knows the thing is rejected with 404, to an app over MQTT too", async () => {
      const app = await connectListening(doppel.mqttUrl, "asker", { username: "app" });
      await app.client.subscribeAsync("$aws/things/ghost/shadow/#", { qos: 1 });
      await ask(app, topic("ghost", "get"), { clientToken: "t-404" });
      await hears(app, topic("ghost", "get/rejected"), { code: 404, message: "Thing not found", clientToken: "t-404" });
    });
  });

  test("because more than ten of the device are open is rejected with 429 and its client token; the others are taken", async () => {
    const asked = 30;
    const socket = connect({ port: doppel.mqttPort, host: "127.0.0.1", noDelay: true });
    onTestFinished(() => {
      socket.destroy();
    });
    await once(socket, "connect");
    const app = await connectListening(doppel.mqttUrl, "burst-watch", { username: "app" });
    await app.client.subscribeAsync("$aws/things/burst/shadow/update/+", { qos: 1 });
    socket.write(
      generate({
        cmd: "connect",
        protocolId: "MQTT",
        protocolVersion: 4,
        clientId: "burst",
        clean: true,
        keepalive: 0,
      }),
    );
    await once(socket, "data");
    const requests = Array.from({ length: asked }, (_, number) =>
      generate({
        cmd: "publish",
        topic: topic("burst", "update"),
        payload: JSON.stringify({ state: { reported: { number } }, clientToken: String(number) }),
        qos: 1,
        messageId: number + 1,
        dup: false,
        retain: false,
      }),
    );
    socket.write(Buffer.concat(requests)); // at once, so that none is answered before the last has come
    const answers = (kind: string) => of(app, topic("burst", `update/${kind}`)).map(({ json }) => json);
    await eventually(() => expect(answers("accepted").length + answers("rejected").length).toBe(asked));
    expect(answers("accepted").length).toBeGreaterThanOrEqual(10);
    expect(answers("rejected").length).toBeGreaterThan(0);
    for (const rejected of answers("rejected"))
      expect(rejected).toMatchObject({ code: 429, message: "Too many requests" });
    const tokens = [...answers("accepted"), ...answers("rejected")].map(({ clientToken }) => Number(clientToken));
    expect(tokens.toSorted((a, b) => a - b)).toEqual(Array.from({ length: asked }, (_, number) => number));
    expect((await shadow("burst")).version).toBe(answers("accepted").length);
  });
});
