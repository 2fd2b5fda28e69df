import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Doppel, eventually, startDoppel } from "../harness.ts";
import { breakOff, connectListening, isConnected, type Listening, leaves } from "./listening.ts";

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel({ graceSeconds: 1 });
});
afterAll(() => doppel?.close());

const ended = ["succeeded", "failed", "rejected", "expired", "cancelled"];

/** A device that listens to its commands, in a session that it keeps. */
async function listening(id: string): Promise<Listening> {
  const device = await connectListening(doppel.mqttUrl, id);
  await device.client.subscribeAsync(`devices/${id}/commands`, { qos: 1 });
  await isConnected(doppel, id);
  return device;
}

/** A device that has listened to its commands and is away now. */
async function away(id: string): Promise<void> {
  await leaves(doppel, id, await listening(id));
}

const send = (device: string, command: object) => doppel.call("POST", `/v1/devices/${device}/commands`, command, 202);
const read = (device: string, command: string) => doppel.call("GET", `/v1/devices/${device}/commands/${command}`);
const becomes = (device: string, command: string, expected: object) =>
  eventually(async () => expect(await read(device, command)).toMatchObject(expected));
const cancel = (device: string, command: string, expect?: number) =>
  doppel.call("POST", `/v1/devices/${device}/commands/${command}/cancel`, undefined, expect);

async function acknowledge({ client }: Listening, device: string, command: string, word: object): Promise<void> {
  await client.publishAsync(`devices/${device}/commands/${command}/ack`, JSON.stringify(word), { qos: 1 });
}

/** The states that a command went through after it was requested, oldest first. */
async function states(device: string, command: string): Promise<string[]> {
  const { items } = await doppel.call("GET", `/v1/devices/${device}/events?kinds=commandMoved&limit=1000`);
  return items
    .filter((item: Answer) => item.command === command)
    .map(({ to }: Answer) => to)
    .reverse();
}

describe("a command", () => {
  test("reaches a device that is online at once, with its parameters and its expiry", async () => {
    const device = await listening("online-1");
    const command = await send("online-1", { name: "config", parameters: { rate: [1, null] }, expiresInSeconds: 60 });
    expect(command).toMatchObject({
      device: "online-1",
      name: "config",
      parameters: { rate: [1, null] },
    });
    await eventually(() =>
      expect(device.heard.map(({ json }) => json)).toEqual([
        { id: command.id, name: "config", parameters: { rate: [1, null] }, expiresAt: command.expiresAt },
      ]),
    );
    expect(await read("online-1", command.id)).toMatchObject({ state: "sent" });
  });

  test("waits for a device that is away, and arrives when it is back, in order, unless it has expired", async () => {
    await away("away-1");
    const first = await send("away-1", { name: "first" });
    const second = await send("away-1", { name: "second", expiresInSeconds: 0.2 });
    const third = await send("away-1", { name: "third", expiresInSeconds: 600 });
    expect([first.state, second.state, third.state]).toEqual(["queued", "queued", "queued"]);
    await becomes("away-1", second.id, { state: "expired" });

    const device = await listening("away-1");
    await eventually(() => expect(device.heard.map(({ json }) => json.name)).toEqual(["first", "third"]));
    expect(await read("away-1", first.id)).toMatchObject({ state: "sent" });
  });

  test("waits through a restart", async () => {
    await away("away-2");
    const { id } = await send("away-2", { name: "patience" });
    await doppel.restart();
    const device = await listening("away-2");
    await eventually(() => expect(device.heard.map(({ json }) => json.id)).toEqual([id]));
  });

  test("that was sent and never acknowledged is sent again when the device is back", async () => {
    const before = await listening("lossy");
    const { id } = await send("lossy", { name: "reboot" });
    await eventually(() => expect(before.heard).toHaveLength(1));
    breakOff(before);
    const after = await listening("lossy");
    await eventually(() => expect(after.heard.map(({ json }) => json.id)).toEqual([id]));
    await acknowledge(after, "lossy", id, { status: "acknowledged" });
    await becomes("lossy", id, { state: "acknowledged" });
    breakOff(after);
    const third = await listening("lossy");
    const { id: next } = await send("lossy", { name: "blink" });
    await eventually(() => expect(third.heard.map(({ json }) => json.id)).toEqual([next]));
  });

  test("is acknowledged by the device, with progress and result", async () => {
    const device = await listening("worker");
    const { id } = await send("worker", { name: "calibrate" });
    await acknowledge(device, "worker", id, { status: "acknowledged" });
    await becomes("worker", id, { state: "acknowledged", progress: null, result: null });
    await acknowledge(device, "worker", id, { status: "in_progress", progress: { percent: 40 } });
    await becomes("worker", id, { state: "acknowledged", progress: { percent: 40 } });
    await acknowledge(device, "worker", id, { status: "succeeded", result: { offset: -0.2 } });
    await becomes("worker", id, { state: "succeeded", result: { offset: -0.2 }, reason: null });
    await eventually(async () =>
      expect(await states("worker", id)).toEqual(["sent", "acknowledged", "acknowledged", "succeeded"]),
    );
  });

  test.each(["failed", "rejected"])("that the device says has %s ends so, with the reason", async (status) => {
    const device = await listening(`unwilling-${status}`);
    const { id } = await send(`unwilling-${status}`, { name: "self-destruct" });
    await acknowledge(device, `unwilling-${status}`, id, { status, reason: "not today" });
    await becomes(`unwilling-${status}`, id, { state: status, reason: "not today" });
  });

  test("that is cancelled before it is sent never reaches the device", async () => {
    await away("away-3");
    const { id } = await send("away-3", { name: "never" });
    expect(await cancel("away-3", id)).toMatchObject({ id, state: "cancelled" });
    const { id: later } = await send("away-3", { name: "later" });
    const device = await listening("away-3");
    await eventually(() => expect(device.heard.map(({ json }) => json.id)).toEqual([later]));
  });

  test("that is cancelled after it was sent is called back from the device", async () => {
    const device = await listening("recalled");
    const { id } = await send("recalled", { name: "drill" });
    await eventually(() => expect(device.heard).toHaveLength(1));
    await cancel("recalled", id);
    await eventually(() => expect(device.heard.at(-1)?.json).toEqual({ id, cancel: true }));
    expect(await read("recalled", id)).toMatchObject({ state: "cancelled" });
  });

  test("ends once: what comes after its end changes nothing and is a dead letter or a conflict", async () => {
    const device = await listening("once");
    const { id } = await send("once", { name: "reboot" });
    await acknowledge(device, "once", id, { status: "succeeded" });
    await becomes("once", id, { state: "succeeded" });
    await acknowledge(device, "once", id, { status: "succeeded" }); // a redelivery is no contradiction
    await acknowledge(device, "once", id, { status: "failed" });
    await cancel("once", id, 409);
    expect(await read("once", id)).toMatchObject({ state: "succeeded" });
    await eventually(async () => {
      const { items } = await doppel.call("GET", "/v1/dead-letters?device=once");
      expect(items).toMatchObject([{ reason: "command-ended" }]);
      expect(await states("once", id)).toEqual(["sent", "succeeded"]);
    });
  });

  test("that is cancelled while the device reports its success ends in one of the two", async () => {
    const device = await listening("racer");
    const commands = await Promise.all(Array.from({ length: 20 }, () => send("racer", { name: "race" })));
    await Promise.all(
      commands.flatMap(({ id }: Answer) => [
        acknowledge(device, "racer", id, { status: "succeeded" }),
        cancel("racer", id).catch(() => {}),
      ]),
    );
    await eventually(async () => {
      for (const { id } of commands) {
        const terminal = (await states("racer", id)).filter((state) => ended.includes(state));
        expect(terminal).toEqual([(await read("racer", id)).state]);
      }
    });
  });

  test("that is sent twice with one id is one command; with other content it is a conflict", async () => {
    const device = await listening("idempotent");
    const command = { id: "order-7", name: "dose", parameters: { ml: 5 } };
    await send("idempotent", command);
    await send("idempotent", command);
    await doppel.call("POST", "/v1/devices/idempotent/commands", { ...command, parameters: { ml: 6 } }, 409);
    await send("idempotent", { name: "done" });
    await eventually(() => expect(device.heard.map(({ json }) => json.name)).toEqual(["dose", "done"]));
  });

  test("for a device that nobody knows is refused", async () => {
    const problem = await doppel.call("POST", "/v1/devices/nobody/commands", { name: "reboot" }, 404);
    expect(problem).toMatchObject({ type: "urn:doppel:problem:unknown-device", status: 404 });
  });
});

describe("the list of a device's commands", () => {
  test("has each with its state, newest first, in pages, and can be asked for one state", async () => {
    const device = await listening("busy");
    const ids: string[] = [];
    for (const name of ["a", "b", "c", "d"]) ids.push((await send("busy", { name })).id);
    await acknowledge(device, "busy", ids[0]!, { status: "succeeded" });
    await acknowledge(device, "busy", ids[1]!, { status: "in_progress", progress: 1 });
    await cancel("busy", ids[2]!);
    await eventually(async () => {
      const { items } = await doppel.call("GET", "/v1/devices/busy/commands");
      expect(items.map(({ name, state }: Answer) => `${name} ${state}`)).toEqual([
        "d sent",
        "c cancelled",
        "b acknowledged",
        "a succeeded",
      ]);
    });
    const { items } = await doppel.call("GET", "/v1/devices/busy/commands?state=acknowledged");
    expect(items).toMatchObject([{ id: ids[1], progress: 1 }]);
    const first = await doppel.call("GET", "/v1/devices/busy/commands?limit=3");
    const rest = await doppel.call("GET", `/v1/devices/busy/commands?limit=3&cursor=${encodeURIComponent(first.next)}`);
    expect([...first.items, ...rest.items].map(({ id }: Answer) => id)).toEqual(ids.toReversed());
    expect(rest.next).toBeNull();
  });

  test("shows the commands of a deleted device as cancelled, and the device is gone", async () => {
    await away("doomed");
    const { id } = await send("doomed", { name: "too late" });
    await doppel.call("DELETE", "/v1/devices/doomed", undefined, 204);
    await doppel.call("GET", "/v1/devices/doomed", undefined, 404);
    await doppel.call("POST", "/v1/devices/doomed/commands", { name: "x" }, 404);
    await eventually(async () => {
      const { items } = await doppel.call("GET", "/v1/devices/doomed/commands");
      expect(items).toMatchObject([{ id, state: "cancelled", reason: "the device was deleted" }]);
    });
    const device = await listening("doomed");
    const { id: next } = await send("doomed", { name: "anew" });
    await eventually(() => expect(device.heard.map(({ json }) => json.id)).toEqual([next]));
  });
});
