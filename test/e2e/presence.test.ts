import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Doppel, embeddedOnly, eventually, mode, startDoppel } from "../harness.ts";
import { breakOff, closing, connectListening, isConnected, type Listening, leaves } from "./listening.ts";

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel({ graceSeconds: 1, restartGraceSeconds: 3 });
  await judge("chatty", 300);
});
afterAll(() => doppel?.close());

const twin = (id: string) => doppel.call("GET", `/v1/devices/${id}`);
const connect = (id: string): Promise<Listening> => connectListening(doppel.mqttUrl, id);
const judge = (type: string, silenceMs: number) => doppel.call("PUT", `/v1/device-types/${type}`, { silenceMs });
const register = (id: string, type: string) => doppel.call("POST", "/v1/devices", { id, type });

async function isOffline(id: string): Promise<void> {
  await eventually(async () => expect(await twin(id)).toMatchObject({ id, status: "offline" }));
}

async function isOnline(id: string): Promise<void> {
  await eventually(async () => expect(await twin(id)).toMatchObject({ id, status: "online" }));
}

async function speak({ client }: Listening, id: string): Promise<void> {
  await client.publishAsync(`devices/${id}/heartbeat`, "", { qos: 1 });
}

/** The presence events of a device, oldest first, once the list has `edge` as its newest. */
async function presenceEvents(id: string, newest: string): Promise<Answer[]> {
  return eventually(async () => {
    const { items } = await doppel.call("GET", `/v1/devices/${id}/events?kinds=presence`);
    expect(items[0]).toMatchObject({ edge: newest });
    return items.toReversed();
  });
}

/** What apps were told of a device, oldest first. */
async function announcements(id: string, newest: string): Promise<string[]> {
  return (await presenceEvents(id, newest)).flatMap(({ status }) => status ?? []);
}

/** Lets the grace time pass, as the system itself measures it: a device that breaks off now is announced offline. */
async function graceTimePasses(witness: string): Promise<void> {
  breakOff(await connect(witness));
  await isOffline(witness);
}

describe("a device", () => {
  test("whose socket breaks is offline after the grace time, since the moment of the break", async () => {
    const device = await connect("broken");
    await isConnected(doppel, "broken");
    expect(await twin("broken")).toMatchObject({ status: "online" });
    breakOff(device);
    await isOffline("broken");
    const events = await presenceEvents("broken", "graceElapsed");
    expect(events).toMatchObject([
      { edge: "connected", status: "online" },
      { edge: "disconnected", reason: "socket closed" },
      { edge: "graceElapsed", status: "offline", reason: "socket closed", since: events[1].at },
    ]);
    expect(await twin("broken")).toMatchObject({ connected: false, since: events[1].at });
  });

  test("that disconnects gracefully is offline at once", async () => {
    const device = await connect("polite");
    await device.client.endAsync();
    await isOffline("polite");
    expect(await presenceEvents("polite", "disconnected")).toMatchObject([
      { status: "online" },
      { edge: "disconnected", status: "offline", reason: "client disconnected" },
    ]);
  });

  test("that says it goes is offline while it is still connected, and back with its next word", async () => {
    const device = await connect("leaving");
    await isConnected(doppel, "leaving");
    await eventually(async () => {
      // Soon after a connection it may be the last will of the one before, and is taken as that.
      await device.client.publishAsync("devices/leaving/status", "offline", { qos: 1 });
      expect(await twin("leaving")).toMatchObject({ status: "offline" });
    });
    // Behind a broker the same word may be the last will of a connection that broke.
    if (mode === "embedded") expect(await twin("leaving")).toMatchObject({ connected: true });
    await eventually(async () => {
      await speak(device, "leaving");
      expect(await twin("leaving")).toMatchObject({ status: "online" });
    });
    if (mode === "embedded") expect(await twin("leaving")).toMatchObject({ connected: true });
  });

  test("that is silent for too long is offline but connected, and back with its next word", async () => {
    await register("silent", "chatty");
    const device = await connect("silent");
    await isConnected(doppel, "silent");
    await isOffline("silent");
    expect(await twin("silent")).toMatchObject({ connected: true });
    await speak(device, "silent");
    expect(await announcements("silent", "heard")).toEqual(["online", "offline", "online"]);
    await isOffline("silent");
  });

  test("that a second connection takes over from the first stays online, and the first is closed", async () => {
    const first = await connect("twofold");
    await isConnected(doppel, "twofold");
    const closed = closing(first);
    const second = await connect("twofold");
    await closed;
    await graceTimePasses("twofold-witness");
    expect(await twin("twofold")).toMatchObject({ status: "online", connected: true });
    expect(await announcements("twofold", "connected")).toEqual(["online"]);
    breakOff(second);
    await isOffline("twofold");
  });

  embeddedOnly("a broker of its own knows sessions by their client id alone", () => {
    test("that connects again under another client id has one connection still", async () => {
      const first = await connectListening(doppel.mqttUrl, "client-a", { username: "alias" });
      const closed = closing(first);
      await connectListening(doppel.mqttUrl, "client-b", { username: "alias" });
      await closed;
      await graceTimePasses("alias-witness");
      expect(await announcements("alias", "connected")).toEqual(["online"]);
    });
  });

  test("that is back within the grace time is never announced offline", async () => {
    breakOff(await connect("quick"));
    await eventually(async () => expect(await twin("quick")).toMatchObject({ status: "online", connected: false }));
    await connect("quick");
    await graceTimePasses("quick-witness");
    expect(await twin("quick")).toMatchObject({ status: "online", connected: true });
    expect(await announcements("quick", "connected")).toEqual(["online"]);
  });

  test("that comes and goes too often is marked as flapping", async () => {
    await doppel.call("PUT", "/v1/device-types/nervous", { flapEdges: 4, flapWindowMs: 60_000, steadyMs: 1_500 });
    await register("flap", "nervous");
    await eventually(async () => {
      const device = await connect("flap");
      await isConnected(doppel, "flap");
      await leaves(doppel, "flap", device);
      expect(await twin("flap")).toMatchObject({ status: "offline", flapping: true });
    });
    await eventually(async () => {
      const marks = (await presenceEvents("flap", "disconnected")).flatMap(({ flapping }) => flapping ?? []);
      expect(marks).toEqual(["started"]);
    });
    await eventually(async () => expect(await twin("flap")).toMatchObject({ flapping: false }));
  });
});

/** How the twin learns that a device did not come back: from its own end, or from the broker, which has gone on. */
const lostOverRestart = mode === "embedded" ? "sessionOrphaned" : "graceElapsed";

describe("what users of other systems report does not happen here:", () => {
  test("devices that speak in the very moment of their time-out still go offline when they fall silent", async () => {
    const silenceMs = 200;
    await judge("metronome", silenceMs);
    const ids = Array.from({ length: 20 }, (_, index) => `metronome-${index}`);
    const devices = await Promise.all(
      ids.map(async (id) => {
        await register(id, "metronome");
        return { id, link: await connect(id) };
      }),
    );
    // Not to wait for anything: each word is to come as near to the time-out as a timer can make it.
    await Promise.all(
      devices.map(async ({ id, link }, index) => {
        for (let word = 0; word < 6; word += 1) {
          await new Promise((resolve) => setTimeout(resolve, silenceMs + (index % 5) - 2));
          await speak(link, id);
        }
      }),
    );
    await Promise.all(ids.map(isOffline));
    const before = await Promise.all(ids.map((id) => announcements(id, "silenceElapsed")));
    await Promise.all(devices.map(({ id, link }) => speak(link, id)));
    await Promise.all(
      ids.map((id, index) =>
        eventually(async () => {
          const statuses = await announcements(id, "silenceElapsed");
          expect(statuses.length).toBeGreaterThanOrEqual(before[index]!.length + 2);
          for (const [at, status] of statuses.entries()) expect(status).toBe(at % 2 === 0 ? "online" : "offline");
        }),
      ),
    );
  });

  test("a word just after the time-out clears the offline notice", async () => {
    await register("late", "chatty");
    const device = await connect("late");
    for (let round = 0; round < 3; round += 1) {
      await isOffline("late");
      await speak(device, "late");
      await isOnline("late");
    }
  });

  test("a new device is watched from its first word on, without a restart", async () => {
    await register("new-1", "chatty");
    await doppel.call("POST", "/v1/devices/new-1/telemetry", { readings: { t: 1 } });
    await isOnline("new-1");
    await isOffline("new-1");
    breakOff(await connect("new-2"));
    await isOffline("new-2");
  });

  test("a changed time-out holds without a restart, shorter or longer", async () => {
    await judge("patient", 3_600_000);
    await register("patient-1", "patient");
    const device = await connect("patient-1");
    await isOnline("patient-1");
    await judge("patient", 200);
    await isOffline("patient-1");
    await judge("patient", 3_600_000);
    let witnesses = 0;
    await eventually(async () => {
      await speak(device, "patient-1");
      await isOnline("patient-1");
      const witness = `patient-witness-${++witnesses}`;
      await register(witness, "chatty");
      await connect(witness);
      await isOffline(witness);
      expect(await twin("patient-1")).toMatchObject({ status: "online" });
    });
  });

  test("a restart does not announce the fleet offline, only those that do not come back", async () => {
    const fleet = Array.from({ length: 20 }, (_, index) => `fleet-${index}`);
    const stayers = fleet.slice(0, 15);
    const leavers = fleet.slice(15);
    const links = new Map(await Promise.all(fleet.map(async (id) => [id, await connect(id)] as const)));
    await Promise.all(fleet.map((id) => isConnected(doppel, id)));
    await doppel.restart(() => {
      for (const id of leavers) breakOff(links.get(id)!);
    });
    const back = await Promise.all(stayers.map(connect));
    await Promise.all(leavers.map(isOffline));
    await graceTimePasses("fleet-witness");
    for (const id of stayers) expect(await announcements(id, "connected")).toEqual(["online"]);
    for (const id of leavers) expect(await announcements(id, lostOverRestart)).toEqual(["online", "offline"]);
    breakOff(back[0]!);
    await isOffline(stayers[0]!);
  });

  test("a device that one process saw and the next one lost is not stuck, online or offline", async () => {
    await register("handed-on", "chatty");
    const first = await connect("handed-on");
    await doppel.restart(() => breakOff(first));
    // The next process hears of it by another way only, and then no more.
    await doppel.call("POST", "/v1/devices/handed-on/telemetry", { readings: { t: 1 } });
    await isOnline("handed-on");
    await isOffline("handed-on");
    const second = await connect("handed-on");
    breakOff(second);
    await doppel.restart();
    await isOffline("handed-on");
    const device = await connect("handed-on");
    await isOnline("handed-on");
    await isOffline("handed-on");
    await speak(device, "handed-on");
    await isOnline("handed-on");
  });
});

test("a device that was offline before a restart is offline after it, and nothing is announced", async () => {
  await (await connect("asleep")).client.endAsync();
  await isOffline("asleep");
  const { since } = await twin("asleep");
  await doppel.restart();
  await graceTimePasses("asleep-witness");
  expect(await twin("asleep")).toMatchObject({ status: "offline", since, connected: false });
  expect(await announcements("asleep", "disconnected")).toEqual(["online", "offline"]);
});
