import { describe, expect, test } from "vitest";
import { defaultPolicy } from "./policy.ts";
import { isConnected, liveSession, neverSeen, presenceDeadline, stepPresence } from "./presence.ts";
import { aSession, WatchedDevice } from "./presence-fixture.ts";

function onlineDevice(atMs = 1_000): WatchedDevice {
  const device = new WatchedDevice();
  device.connect("a", atMs);
  return device;
}

describe("connections", () => {
  test("a device that has never been there is offline, and nothing is awaited of it", () => {
    const device = new WatchedDevice();
    expect([device.status, device.deadlineMs, isConnected(neverSeen)]).toEqual(["offline", null, false]);
  });

  test("a first connection brings the device online, since the moment of it", () => {
    const device = onlineDevice(1_000);
    expect(device.announcements).toEqual(["online since 1000"]);
    expect(liveSession(device.presence)).toEqual(aSession("a", 1_000));
  });

  test("a graceful disconnect is announced at once, with its reason", () => {
    const device = onlineDevice();
    device.leave("a", 2_000);
    expect(device.records.at(-1)).toMatchObject({
      edge: "disconnected",
      reason: "client disconnected",
      announced: { status: "offline", sinceMs: 2_000 },
    });
    expect(isConnected(device.presence)).toBe(false);
  });

  test("a broken connection is announced after the grace time, since the moment of the break, with its reason", () => {
    const device = onlineDevice();
    device.breakOff("a", 2_000);
    expect([device.status, isConnected(device.presence), device.deadlineMs]).toEqual(["online", false, 5_000]);
    device.look(4_999);
    expect(device.announcements).toHaveLength(1);
    device.look(5_000);
    expect(device.records.at(-1)).toMatchObject({
      edge: "graceElapsed",
      reason: "socket closed",
      announced: { status: "offline", sinceMs: 2_000 },
    });
  });

  test("a reconnect within the grace time is never announced", () => {
    const device = onlineDevice();
    device.breakOff("a", 2_000);
    device.connect("b", 4_999);
    device.look(60_000);
    expect(device.announcements).toEqual(["online since 1000"]);
    expect(device.presence.sinceMs).toBe(1_000);
  });

  test("a takeover by a second connection leaves the device online, whichever news comes first", () => {
    const inOrder = onlineDevice();
    inOrder.connect("b", 2_000);
    inOrder.breakOff("a", 2_001);
    const swapped = onlineDevice();
    swapped.breakOff("a", 1_999);
    swapped.connect("b", 2_000);
    for (const device of [inOrder, swapped]) {
      expect(device.announcements).toEqual(["online since 1000"]);
      expect(liveSession(device.presence)?.id).toBe("b");
    }
  });

  test("a takeover within one millisecond counts", () => {
    const device = onlineDevice();
    device.connect("b", 1_000);
    device.breakOff("a", 1_000);
    expect(liveSession(device.presence)?.id).toBe("b");
  });

  test("late news of an older connection never replaces a newer one, live or ended", () => {
    const device = onlineDevice(2_000);
    expect(device.step({ type: "connected", session: aSession("old", 1_999) }, 2_500)).toBeNull();
    device.leave("a", 3_000);
    expect(device.step({ type: "connected", session: aSession("old", 1_999) }, 3_500)).toBeNull();
    expect(device.step({ type: "connected", session: aSession("a", 2_000) }, 3_500)).toBeNull();
    expect(device.status).toBe("offline");
  });
});

describe("wills and the device's own word", () => {
  test("the will of the live session counts as its loss: suspect, and offline after the grace time", () => {
    const device = onlineDevice();
    device.step({ type: "statusOffline", session: "a", will: true }, 2_000);
    device.breakOff("a", 2_001);
    expect(device.presence).toMatchObject({ phase: "suspect", suspectSinceMs: 2_000, reason: "last will" });
    device.look(5_000);
    expect(device.announcements).toEqual(["online since 1000", "offline since 2000"]);
  });

  test("a late will of an old session is ignored", () => {
    const device = onlineDevice();
    device.connect("b", 2_000);
    expect(device.step({ type: "statusOffline", session: "a", will: true }, 2_001)).toBeNull();
    expect(device.step({ type: "statusOffline", session: null, will: true }, 2_001)).toBeNull();
  });

  test("a device that says it goes is offline at once, and back with its next message", () => {
    const device = onlineDevice();
    device.step({ type: "statusOffline", session: "a", will: false }, 2_000);
    expect([device.status, isConnected(device.presence)]).toEqual(["offline", true]);
    device.message("a", 3_000);
    expect(device.announcements).toEqual(["online since 1000", "offline since 2000", "online since 3000"]);
  });

  test("an old session's word does not take a newer one offline", () => {
    const device = onlineDevice();
    device.connect("b", 2_000);
    expect(device.step({ type: "statusOffline", session: "a", will: false }, 2_001)).toBeNull();
  });

  test("a device that said it goes before its connection broke is offline without a grace time", () => {
    const device = onlineDevice();
    device.breakOff("a", 2_000);
    device.step({ type: "statusOffline", session: "a", will: false }, 2_100);
    expect(device.announcements).toEqual(["online since 1000", "offline since 2000"]);
  });

  test("a device that has gone by its own word stays offline when its connection then breaks", () => {
    const device = onlineDevice();
    device.step({ type: "statusOffline", session: "a", will: false }, 2_000);
    device.breakOff("a", 2_100);
    expect(device.announcements).toHaveLength(2);
    expect([isConnected(device.presence), device.deadlineMs]).toEqual([false, null]);
  });
});

describe("messages", () => {
  test("a late message of a lost or ended session brings nobody back", () => {
    const device = onlineDevice();
    device.breakOff("a", 2_000);
    device.message("a", 2_100);
    expect(device.presence.phase).toBe("suspect");
    device.look(5_000);
    device.message("a", 5_100);
    expect(device.status).toBe("offline");
  });

  test("a message over HTTP, or of a session whose beginning we missed, brings the device back", () => {
    for (const session of [null, "missed"]) {
      const suspect = onlineDevice();
      suspect.breakOff("a", 2_000);
      suspect.message(session, 2_100);
      suspect.look(5_000);
      expect(suspect.announcements).toEqual(["online since 1000"]);
      const offline = onlineDevice();
      offline.leave("a", 2_000);
      offline.message(session, 2_100);
      expect(offline.announcements.at(-1)).toBe("online since 2100");
    }
  });

  test("a device that only speaks HTTP is online while it speaks", () => {
    const device = new WatchedDevice();
    device.message(null, 1_000);
    expect([device.status, isConnected(device.presence), device.deadlineMs]).toEqual(["online", false, 61_000]);
    device.message(null, 50_000);
    device.look(109_999);
    expect(device.status).toBe("online");
    device.look(110_000);
    expect(device.announcements).toEqual(["online since 1000", "offline since 110000"]);
  });

  test("a silent device is offline but connected, and any message of its session brings it back", () => {
    const device = onlineDevice();
    device.look(61_000);
    expect([device.status, isConnected(device.presence), device.deadlineMs]).toEqual(["offline", true, null]);
    device.message("a", 70_000);
    expect(device.announcements).toEqual(["online since 1000", "offline since 61000", "online since 70000"]);
  });

  test("a silent device whose connection then ends stays offline, unannounced", () => {
    const device = onlineDevice();
    device.look(61_000);
    device.breakOff("a", 62_000);
    expect(device.announcements).toHaveLength(2);
    device.message("a", 62_001);
    expect(device.status).toBe("offline");
  });
});

describe("failures that users of other systems report", () => {
  test("a message in the very millisecond of the time-out leaves the device online and watched", () => {
    const device = onlineDevice();
    device.message("a", 61_000);
    device.look(61_000);
    expect([device.status, device.deadlineMs]).toEqual(["online", 121_000]);
    device.look(121_000);
    expect(device.status).toBe("offline");
  });

  test("a message in the very millisecond of the time-out, but after it, brings the device back and watches it", () => {
    const device = onlineDevice();
    device.look(61_000);
    device.message("a", 61_000);
    expect([device.status, device.deadlineMs]).toEqual(["online", 121_000]);
    device.look(121_000);
    expect(device.status).toBe("offline");
  });

  test("a message just after the time-out clears the offline notice", () => {
    const device = onlineDevice();
    device.look(61_000);
    device.message("a", 61_001);
    expect(device.announcements).toEqual(["online since 1000", "offline since 61000", "online since 61001"]);
  });

  test("a message just after the grace time clears the offline notice", () => {
    const device = onlineDevice();
    device.breakOff("a", 2_000);
    device.look(5_000);
    device.message(null, 5_001);
    expect(device.announcements.at(-1)).toBe("online since 5001");
  });

  test("a new device is watched from its first word on", () => {
    expect(onlineDevice(1_000).deadlineMs).toBe(61_000);
    const byMessage = new WatchedDevice();
    byMessage.message("unknown", 1_000);
    expect(byMessage.deadlineMs).toBe(61_000);
    // Even where nobody has noted its first word as a last seen.
    for (const { presence, policy, node } of [onlineDevice(1_000), byMessage])
      expect(presenceDeadline(presence, 0, policy, node)).toBe(61_000);
  });

  test("a changed time-out holds at once, shorter or longer", () => {
    const device = onlineDevice();
    device.policy = { ...device.policy, silenceMs: 5_000 };
    expect(device.deadlineMs).toBe(6_000);
    device.policy = { ...device.policy, silenceMs: 600_000 };
    device.look(61_000);
    expect(device.status).toBe("online");
    device.breakOff("a", 62_000);
    device.policy = { ...device.policy, graceMs: 500 };
    device.look(62_500);
    expect(device.status).toBe("offline");
  });

  test("a restart announces nothing for the devices that come back within its grace time", () => {
    const silent = onlineDevice();
    const suspect = onlineDevice();
    suspect.breakOff("a", 2_000);
    const byHttp = new WatchedDevice();
    byHttp.message(null, 1_000);
    const fleet = [onlineDevice(), silent, suspect, byHttp];
    for (const device of fleet) {
      device.node = { id: "n2", startedAtMs: 500_000 };
      expect(device.deadlineMs).toBe(515_000);
      device.look(514_999);
    }
    fleet[0]!.connect("b", 514_999);
    silent.message(null, 514_999);
    suspect.connect("b", 514_999);
    byHttp.message(null, 514_999);
    for (const device of fleet) {
      device.look(520_000);
      expect(device.announcements).toEqual(["online since 1000"]);
    }
    expect(isConnected(silent.presence)).toBe(false);
  });

  test("after a restart the devices that do not come back go offline once its grace time is over", () => {
    const suspect = onlineDevice();
    suspect.breakOff("a", 2_000);
    const byHttp = new WatchedDevice();
    byHttp.message(null, 1_000);
    for (const device of [onlineDevice(), suspect, byHttp]) {
      device.node = { id: "n2", startedAtMs: 500_000 };
      device.look(515_000);
      expect([device.status, isConnected(device.presence), device.deadlineMs]).toEqual(["offline", false, null]);
    }
  });

  test("a restart takes the connection of a silent device too, unannounced", () => {
    const device = onlineDevice();
    device.look(61_000);
    device.node = { id: "n2", startedAtMs: 500_000 };
    device.look(515_000);
    expect([isConnected(device.presence), device.announcements.length]).toEqual([false, 2]);
  });

  test("a session that was thought lost with its process brings the device back by a word", () => {
    const device = onlineDevice();
    device.node = { id: "n2", startedAtMs: 500_000 };
    device.look(515_000);
    device.message("a", 516_000);
    expect(device.announcements.at(-1)).toBe("online since 516000");
  });

  test("a device seen by one process and lost by another is not stuck, online or offline", () => {
    const device = new WatchedDevice({}, null);
    device.connect("a", 1_000, "n1");
    device.connect("b", 2_000, "n2");
    device.breakOff("a", 2_500);
    expect(device.status).toBe("online");
    // n2 dies without a word.
    device.look(62_000);
    expect(device.status).toBe("offline");
    device.connect("c", 70_000, "n1");
    device.breakOff("b", 71_000);
    expect([device.status, liveSession(device.presence)?.id]).toEqual(["online", "c"]);
  });
});

describe("flapping", () => {
  function flap(device: WatchedDevice, times: number, fromMs: number, everyMs: number): number {
    let atMs = fromMs;
    for (let index = 0; index < times; index += 1) {
      if (device.status === "offline") device.connect(`s${atMs}`, atMs);
      else device.leave(liveSession(device.presence)!.id, atMs);
      atMs += everyMs;
    }
    return atMs - everyMs;
  }

  const marks = (device: WatchedDevice) => device.records.flatMap(({ flapping }) => flapping ?? []);

  test("a device that comes and goes is marked once, and unmarked once it has been steady", () => {
    const device = new WatchedDevice();
    flap(device, 5, 1_000, 1_000);
    expect(device.presence.flapping).toBe(false);
    const lastMs = flap(device, 3, 6_000, 1_000);
    expect(device.status).toBe("offline");
    expect([marks(device), device.deadlineMs]).toEqual([["started"], lastMs + 120_000]);
    device.look(lastMs + 119_999);
    expect(device.presence.flapping).toBe(true);
    device.look(lastMs + 120_000);
    expect([marks(device), device.deadlineMs]).toEqual([["started", "ended"], null]);
  });

  test("status changes further apart than the window never count as flapping", () => {
    const device = new WatchedDevice();
    flap(device, 40, 1_000, 24_000);
    expect(marks(device)).toEqual([]);
  });

  test("a status change while flapping starts the steady time anew", () => {
    const device = new WatchedDevice();
    const lastMs = flap(device, 6, 1_000, 1_000);
    const againMs = flap(device, 1, lastMs + 119_000, 0);
    device.look(lastMs + 120_000);
    expect([device.presence.flapping, device.status]).toEqual([true, "online"]);
    device.message(null, againMs + 119_999);
    device.look(againMs + 120_000);
    expect([device.presence.flapping, device.status]).toEqual([false, "online"]);
  });

  test("a device that was unmarked is not marked again by its old status changes", () => {
    const device = new WatchedDevice({ steadyMs: 10_000 });
    const lastMs = flap(device, 6, 1_000, 1_000);
    device.look(lastMs + 10_000);
    device.connect("again", lastMs + 11_000);
    expect(marks(device)).toEqual(["started", "ended"]);
  });

  test("of several things that have elapsed the earliest comes first, however late the look", () => {
    const silentFirst = new WatchedDevice();
    const lastMs = flap(silentFirst, 7, 1_000, 1_000);
    silentFirst.look(lastMs + 130_000);
    expect([silentFirst.status, silentFirst.presence.flapping]).toEqual(["offline", true]);
    const steadyFirst = new WatchedDevice();
    flap(steadyFirst, 7, 1_000, 1_000);
    steadyFirst.message(null, lastMs + 65_000);
    steadyFirst.look(lastMs + 130_000);
    expect([steadyFirst.status, steadyFirst.presence.flapping]).toEqual(["offline", false]);
  });

  test("reconnects within the grace time do not count as status changes", () => {
    const device = onlineDevice(0);
    for (let index = 0; index < 50; index += 1) {
      device.breakOff(liveSession(device.presence)!.id, index * 1_000 + 1);
      device.connect(`s${index}`, index * 1_000 + 500);
    }
    expect(marks(device)).toEqual([]);
  });

  test("a policy of 0 changes never marks a device, and what is kept of changes is bounded", () => {
    const device = new WatchedDevice({ flapEdges: 0 });
    flap(device, 100, 1_000, 1);
    expect([marks(device), device.presence.edgesMs.length]).toEqual([[], 1]);
    const other = new WatchedDevice({ flapEdges: 4 });
    flap(other, 100, 1_000, 1);
    expect(other.presence.edgesMs).toEqual([1_096, 1_097, 1_098, 1_099]);
  });
});

test("a step leaves the presence it was given as it was", () => {
  const before = structuredClone(neverSeen);
  stepPresence(neverSeen, { type: "connected", session: aSession("a", 1) }, 1, defaultPolicy);
  expect(neverSeen).toEqual(before);
});
