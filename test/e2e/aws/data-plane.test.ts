import {
  DeleteThingShadowCommand,
  GetThingShadowCommand,
  IoTDataPlaneClient,
  ListNamedShadowsForThingCommand,
  PublishCommand,
  UpdateThingShadowCommand,
} from "@aws-sdk/client-iot-data-plane";
import mqtt from "mqtt";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Doppel, startDoppel } from "../../harness.ts";
import { connectMqtt5, shadowOf } from "./shadow-client.ts";

let doppel: Doppel;
let client: IoTDataPlaneClient;
let things = 0;
const newThing = () => `data-plane-${++things}`;

beforeAll(async () => {
  doppel = await startDoppel();
  client = new IoTDataPlaneClient({
    endpoint: doppel.httpUrl,
    region: "us-east-1",
    // The client signs its requests; nobody here asks for the signature.
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
});
afterAll(async () => {
  client?.destroy();
  await doppel?.close();
});

const parsed = (payload: Uint8Array | undefined) => JSON.parse(new TextDecoder().decode(payload));

function nextMessage(client: mqtt.MqttClient): Promise<{ topic: string; text: string; retain: boolean }> {
  return new Promise((resolve) => {
    client.once("message", (topic, payload, { retain }) => resolve({ topic, text: payload.toString(), retain }));
  });
}

describe("@aws-sdk/client-iot-data-plane", () => {
  async function update(thingName: string, body: object, shadowName?: string) {
    const payload = new TextEncoder().encode(JSON.stringify(body));
    return parsed((await client.send(new UpdateThingShadowCommand({ thingName, payload, shadowName }))).payload);
  }

  async function get(thingName: string, shadowName?: string) {
    return parsed((await client.send(new GetThingShadowCommand({ thingName, shadowName }))).payload);
  }

  async function remove(thingName: string, shadowName?: string) {
    return parsed((await client.send(new DeleteThingShadowCommand({ thingName, shadowName }))).payload);
  }

  test.each([
    { which: "the classic shadow", shadow: undefined },
    { which: "a named shadow", shadow: "cfg" },
  ])("makes, reads and deletes $which", async ({ shadow }) => {
    const thing = newThing();
    const state = { desired: { a: 1 }, reported: { a: 2 } };
    expect(await update(thing, { state, clientToken: "t" }, shadow)).toMatchObject({
      state,
      version: 1,
      clientToken: "t",
    });
    expect(await get(thing, shadow)).toMatchObject({ state: { ...state, delta: { a: 1 } }, version: 1 });
    expect(await remove(thing, shadow)).toMatchObject({ version: 1 });
    await expect(get(thing, shadow)).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: `No shadow exists with name: ${shadow ?? thing}`,
      $metadata: { httpStatusCode: 404 },
    });
  });

  test("knows a version conflict for what it is", async () => {
    const thing = newThing();
    await update(thing, { state: {} });
    await expect(update(thing, { state: {}, version: 7 })).rejects.toMatchObject({
      name: "ConflictException",
      message: "Version conflict",
      $metadata: { httpStatusCode: 409 },
    });
  });

  test("knows a bad request and a body over the limit for what they are", async () => {
    const thing = newThing();
    await expect(update(thing, { status: {} })).rejects.toMatchObject({
      name: "InvalidRequestException",
      message: "Missing required node: state",
    });
    await expect(update(thing, { state: { desired: { a: "x".repeat(8_192) } } })).rejects.toMatchObject({
      name: "RequestEntityTooLargeException",
      $metadata: { httpStatusCode: 413 },
    });
  });

  test("lists named shadows, page by page", async () => {
    const thing = newThing();
    const names = ["a", "b", "c", "d", "e"];
    await update(thing, { state: {} });
    for (const name of names) await update(thing, { state: {} }, name);
    await update(thing, { state: {} }, "gone");
    await remove(thing, "gone");
    const found: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await client.send(new ListNamedShadowsForThingCommand({ thingName: thing, pageSize: 2, nextToken }));
      expect(page.results?.length).toBeLessThanOrEqual(2);
      found.push(...(page.results ?? []));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    expect(found.sort()).toEqual(names);
  });

  test("reaches a device over MQTT with what it desires, and hears what the device reports", async () => {
    const thing = newThing();
    const device = await connectMqtt5(doppel.mqttPort, thing);
    onTestFinished(() => device.close());
    const shadow = shadowOf(device, thing, "cfg");
    const deltas = await shadow.deltas();
    onTestFinished(() => deltas.close());

    await update(thing, { state: { desired: { mode: "eco" } } }, "cfg");
    expect(await deltas.next()).toMatchObject({ state: { mode: "eco" }, version: 1 });
    await shadow.update({ reported: { mode: "eco" } });
    expect((await get(thing, "cfg")).state).toEqual({ desired: { mode: "eco" }, reported: { mode: "eco" } });
  });

  test("publishes to a device's topic, retained if it says so", async () => {
    const thing = newThing();
    const topic = `devices/${thing}/notes/büro & co`;
    const subscriber = await mqtt.connectAsync(doppel.mqttUrl, { clientId: thing });
    onTestFinished(() => subscriber.endAsync(true));
    await subscriber.subscribeAsync(topic, { qos: 1 });
    const heard = nextMessage(subscriber);
    await client.send(new PublishCommand({ topic, qos: 1, retain: true, payload: new TextEncoder().encode("hello") }));
    expect(await heard).toEqual({ topic, text: "hello", retain: false });

    const retained = nextMessage(subscriber);
    await subscriber.unsubscribeAsync(topic);
    await subscriber.subscribeAsync(topic, { qos: 1 });
    expect(await retained).toEqual({ topic, text: "hello", retain: true });
  });
});
