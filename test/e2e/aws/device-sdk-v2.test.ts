import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Doppel, embeddedOnly, startDoppel } from "../../harness.ts";
import { isConnected } from "../listening.ts";
import { connectMqtt5, connectMqtt311, shadowOf } from "./shadow-client.ts";

let doppel: Doppel;
let things = 0;

beforeAll(async () => {
  doppel = await startDoppel();
});
afterAll(() => doppel?.close());

describe.each([
  { protocol: "MQTT 5", connect: connectMqtt5 },
  { protocol: "MQTT 3.1.1", connect: connectMqtt311 },
])("aws-iot-device-sdk-v2 over $protocol", ({ protocol, connect }) => {
  describe.each([
    { which: "the classic shadow", name: null },
    { which: "a named shadow", name: "cfg" },
  ])("with $which", ({ name }) => {
    /** A device of its own for each test, connected. */
    async function aDevice() {
      const thing = `v2-${protocol.replace(/\W/g, "-")}-${++things}`;
      const device = await connect(doppel.mqttPort, thing);
      onTestFinished(() => device.close());
      await isConnected(doppel, thing);
      return { thing, shadow: shadowOf(device, thing, name) };
    }

    async function anApp(thing: string, number = 1) {
      const app = await connect(doppel.mqttPort, `app-${number}-of-${thing}`, "app");
      onTestFinished(() => app.close());
      return shadowOf(app, thing, name);
    }

    test("a shadow that is not there is not found", async () => {
      const { thing, shadow } = await aDevice();
      const message = `No shadow exists with name: ${name ?? thing}`;
      await expect(shadow.get()).rejects.toMatchObject({ modeledError: { code: 404, message } });
      await expect(shadow.delete()).rejects.toMatchObject({ modeledError: { code: 404, message } });
    });

    test("what a device reports is accepted and read back", async () => {
      const { shadow } = await aDevice();
      const reported = { led: { on: true, level: 0.5 }, modes: ["eco", "boost"] };
      const accepted = await shadow.update({ reported });
      expect(accepted).toMatchObject({ version: 1, state: { reported } });
      expect(accepted.state).not.toHaveProperty("desired");
      const read = await shadow.get();
      expect(read).toMatchObject({ version: 1, state: { reported } });
      expect(read.state).not.toHaveProperty("delta");
      const time = { timestamp: expect.any(Number) };
      expect(read.metadata).toEqual({ reported: { led: { on: time, level: time }, modes: [time, time] } });
      // The SDK's types say Date; it hands on what came, epoch seconds.
      expect(read.timestamp).toEqual(expect.any(Number));
    });

    test("what an app desires reaches the device as a delta until the device reports it", async () => {
      const { thing, shadow } = await aDevice();
      const app = await anApp(thing);
      const deltas = await shadow.deltas();
      onTestFinished(() => deltas.close());
      await shadow.update({ reported: { level: 1, on: true } });

      await app.update({ desired: { level: 2, on: true } });
      const delta = await deltas.next();
      expect(delta).toMatchObject({ version: 2, state: { level: 2 } });
      expect(delta.metadata).toEqual({ level: { timestamp: expect.any(Number) } });
      expect((await app.get()).state?.delta).toEqual({ level: 2 });

      await shadow.update({ reported: { level: 2 } });
      expect((await app.get()).state).not.toHaveProperty("delta");
      await app.update({ desired: { level: 3 } });
      expect(await deltas.next()).toMatchObject({ version: 4, state: { level: 3 } });
      expect(deltas.waiting()).toBe(0);
    });

    test("each update shows the documents before and after it", async () => {
      const { thing, shadow } = await aDevice();
      const app = await anApp(thing);
      const documents = await app.documents();
      onTestFinished(() => documents.close());
      await shadow.update({ reported: { a: 1 } });
      await shadow.update({ desired: { a: 2 } });
      expect(await documents.next()).toMatchObject({
        previous: { state: {}, version: 0 },
        current: { state: { reported: { a: 1 } }, version: 1 },
      });
      const second = await documents.next();
      expect(second.previous).toMatchObject({ state: { reported: { a: 1 } }, version: 1 });
      expect(second.current?.state).toEqual({ desired: { a: 2 }, reported: { a: 1 } });
      expect(second.current?.version).toBe(2);
    });

    test("an update made from an old version is refused and changes nothing", async () => {
      const { shadow } = await aDevice();
      await shadow.update({ reported: { a: 1 } });
      await shadow.update({ reported: { a: 2 } }, 1);
      const refused = shadow.update({ reported: { a: 3 } }, 1);
      await expect(refused).rejects.toMatchObject({ modeledError: { code: 409, message: "Version conflict" } });
      expect(await shadow.get()).toMatchObject({ version: 2, state: { reported: { a: 2 } } });
    });

    test("updates made at once each have a version of their own", async () => {
      const { thing, shadow } = await aDevice();
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
      // A client each: of several requests at once this SDK's client over MQTT 3.1.1 now and then sends one never.
      const apps = await Promise.all(numbers.map((number) => anApp(thing, number)));
      const updates = apps.map((app, index) => app.update({ reported: { [`n${numbers[index]}`]: numbers[index] } }));
      const answers = await Promise.all(updates);
      expect(answers.map(({ version }) => version).sort()).toEqual(numbers);
      expect(Object.keys((await shadow.get()).state?.reported ?? {}).sort()).toEqual(numbers.map((n) => `n${n}`));
    });

    test("a deleted shadow is gone, and goes on counting when it is made again", async () => {
      const { shadow } = await aDevice();
      await shadow.update({ reported: { a: 1 } });
      await shadow.update({ reported: { a: 2 } });
      expect((await shadow.delete()).version).toBe(2);
      await expect(shadow.get()).rejects.toMatchObject({ modeledError: { code: 404 } });
      expect((await shadow.update({ reported: { b: 1 } })).version).toBe(3);
      expect((await shadow.get()).state).toEqual({ reported: { b: 1 } });
    });

    test("a value set to null is removed", async () => {
      const { shadow } = await aDevice();
      await shadow.update({ desired: { a: 1 }, reported: { a: 1, b: { c: 1, d: 1 } } });
      const accepted = await shadow.update({ reported: { b: { c: null } } });
      expect(accepted.state).toEqual({ reported: { b: { c: null } } });
      expect((await shadow.get()).state).toEqual({ desired: { a: 1 }, reported: { a: 1, b: { d: 1 } } });
    });

    test("a device that was away hears what is still desired when it listens again", async () => {
      const thing = `v2-away-${++things}`;
      const app = await anApp(thing);
      const first = await connect(doppel.mqttPort, thing);
      await shadowOf(first, thing, name).update({ reported: { a: 1 } });
      await first.close();
      await app.update({ desired: { a: 2 } });

      const again = await connect(doppel.mqttPort, thing);
      onTestFinished(() => again.close());
      const deltas = await shadowOf(again, thing, name).deltas();
      onTestFinished(() => deltas.close());
      expect(await deltas.next()).toMatchObject({ version: 2, state: { a: 2 } });
    });

    test("a state with too many levels is refused with AWS's words", async () => {
      const { shadow } = await aDevice();
      const deep = { one: { two: { three: { four: { five: { six: { seven: 1 } } } } } } };
      await expect(shadow.update({ reported: deep })).rejects.toMatchObject({
        modeledError: { code: 400, message: "JSON contains too many levels of nesting; maximum is 6" },
      });
    });
  });

  embeddedOnly("mosquitto, which stands in for EMQX, does not tell AWS's apps from devices", () => {
    test("a device cannot reach another device's shadow", async () => {
      const owner = await connect(doppel.mqttPort, `v2-owner-${++things}`);
      onTestFinished(() => owner.close());
      const other = `v2-other-${++things}`;
      await expect(shadowOf(owner, other, null).update({ reported: { a: 1 } })).rejects.toThrow();
      const victim = await connect(doppel.mqttPort, other);
      onTestFinished(() => victim.close());
      await expect(shadowOf(victim, other, null).get()).rejects.toMatchObject({ modeledError: { code: 404 } });
    });
  });
});

test("a restart keeps shadows, their versions and what is still desired", async () => {
  const thing = `v2-restart-${++things}`;
  const before = await connectMqtt5(doppel.mqttPort, thing);
  for (const name of [null, "cfg"]) {
    await shadowOf(before, thing, name).update({ reported: { a: 1 } });
    await shadowOf(before, thing, name).update({ desired: { a: 2 } });
  }
  await shadowOf(before, thing, "cfg").delete();
  await before.close();
  await doppel.restart();

  const after = await connectMqtt5(doppel.mqttPort, thing);
  onTestFinished(() => after.close());
  const classic = shadowOf(after, thing, null);
  const deltas = await classic.deltas();
  onTestFinished(() => deltas.close());
  expect(await deltas.next()).toMatchObject({ version: 2, state: { a: 2 } });
  expect(await classic.get()).toMatchObject({ version: 2, state: { delta: { a: 2 } } });
  const made = await shadowOf(after, thing, "cfg").update({ reported: { b: 1 } });
  expect(made.version).toBe(3);
});
