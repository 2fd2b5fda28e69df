import { describe, expect, test } from "vitest";
import { latestOf } from "../../core/device/metrics.ts";
import { defaultPolicy } from "../../core/device/policy.ts";
import { statusOf } from "../../core/device/presence.ts";
import { hash53 } from "../../core/hash.ts";
import type { DistributedHost } from "./distributed.ts";

import {
  logged,
  named,
  newWorld,
  one,
  openHost,
  pause,
  repliesOf,
  report,
  telemetry,
  twinOf,
} from "./distributed-testing.ts";

describe("a host of device twins", () => {
  test("telemetry is answered when the log has it, and what is stored is answered when the store has it", async () => {
    const world = newWorld();
    const host = openHost(world);
    expect(await one(host, telemetry(1))).toMatchObject({ kind: "counted", accepted: 1 });
    expect(await one(host, telemetry(1))).toMatchObject({ duplicates: 1 });
    expect(await one(host, report(7))).toMatchObject({ kind: "shadow", answer: { kind: "accepted" } });
    expect(logged(world, "iot-telemetry")).toHaveLength(1);
    expect(world.sent.map(({ topic }) => topic)).toEqual([
      "$aws/things/pump-4/shadow/update/accepted",
      "$aws/things/pump-4/shadow/update/documents",
    ]);
    await host.close();
    expect(world.database.outbox).toEqual([]);
    expect(logged(world, "device-events").map(({ record }) => record.kind)).toEqual([
      "registered",
      "presence",
      "shadowUpdated",
    ]);
  });

  test("while the log is away nothing is acknowledged and nothing is forgotten", async () => {
    const world = newWorld();
    const host = openHost(world);
    await one(host, telemetry(1));
    while (host.stats().outboxWaiting > 0) await pause();
    const turn = named(telemetry(2));
    for (const stored of ["nothing", "all"] as const) {
      world.log.failNextPublish(stored);
      expect(await host.turns("pump-4", [turn])).toMatchObject({ kind: "again", why: "log-away" });
    }
    expect(repliesOf(await host.turns("pump-4", [turn]))).toMatchObject([{ accepted: 1 }]);
    await host.close();
    expect(logged(world, "iot-telemetry").map(({ record }) => "tsMs" in record && record.tsMs)).toEqual([
      1_700_000_000_001, 1_700_000_000_002,
    ]);
  });

  test("a question is answered while a message of the same twin waits for the log, and does not tell of that message", async () => {
    const world = newWorld();
    const host = openHost(world, { publishMs: 50 });
    await one(host, telemetry(1));
    const waiting = host.turns("pump-4", [named(telemetry(2))]);
    const twin = await twinOf(host);
    expect(await Promise.race([waiting.then(() => "taken"), pause(0).then(() => "waiting")])).toBe("waiting");
    expect(latestOf(twin.metrics, "t")).toMatchObject({ value: 1 });
    await waiting;
    expect(latestOf((await twinOf(host)).metrics, "t")).toMatchObject({ value: 2 });
    await host.close();
  });

  test("a stored change whose answer was lost has no second effect when it is asked again", async () => {
    const world = newWorld();
    const host = openHost(world);
    const turn = named(report(7));
    world.failCommit = "after";
    expect(await host.turns("pump-4", [turn])).toMatchObject({ kind: "again", why: "store-away" });
    expect(repliesOf(await host.turns("pump-4", [turn]))).toMatchObject([
      { kind: "shadow", answer: { body: { version: 1 } } },
    ]);
    const other = openHost(world);
    expect(repliesOf(await other.turns("pump-4", [turn]))).toMatchObject([{ answer: { body: { version: 1 } } }]);
    expect((await twinOf(other)).shadows[""]).toMatchObject({ version: 1 });
    await Promise.all([host.close(), other.close()]);
  });

  test("a message that the broker delivers again to another gateway is known by what it says", async () => {
    const world = newWorld();
    const host = openHost(world);
    const digest = hash53("the message");
    await host.turns("pump-4", [named(report(1), { digest })]);
    await host.turns("pump-4", [named(report(1), { digest, redelivered: true })]);
    expect((await twinOf(host)).shadows[""]).toMatchObject({ version: 1 });
    // The same words said again by the device itself are another update, as with AWS.
    await host.turns("pump-4", [named(report(1), { digest })]);
    expect((await twinOf(host)).shadows[""]).toMatchObject({ version: 2 });
    await host.close();
  });

  test("of two hosts that both hold a twin only one writes, and the other reads it again", async () => {
    const world = newWorld();
    const [first, second] = [openHost(world), openHost(world)];
    await one(first, report(1));
    await one(second, report(2));
    const turn = named(report(3));
    expect(await first.turns("pump-4", [turn])).toMatchObject({ kind: "again", why: "stale" });
    expect(repliesOf(await first.turns("pump-4", [turn]))).toMatchObject([{ answer: { body: { version: 3 } } }]);
    expect((await twinOf(first)).shadows[""]).toMatchObject({ version: 3 });
    await Promise.all([first.close(), second.close()]);
  });

  test("a host that stood still reads its twins again before it takes a turn", async () => {
    const world = newWorld();
    const [paused, other] = [openHost(world), openHost(world)];
    await one(paused, report(1));
    await one(other, report(2));
    paused.doubtAll();
    expect((await twinOf(paused)).shadows[""]).toMatchObject({ version: 2 });
    await Promise.all([paused.close(), other.close()]);
  });

  test("what changes with each message is there on the next host, and Redis away costs only that", async () => {
    const world = newWorld();
    const host = openHost(world);
    await one(host, telemetry(1));
    await one(host, telemetry(2));
    host.deactivated("pump-4");
    await pause(60);
    const next = openHost(world);
    expect(await one(next, telemetry(2))).toMatchObject({ duplicates: 1 });
    world.soft.away = "connection refused";
    const later = openHost(world);
    expect(await one(later, telemetry(2))).toMatchObject({ kind: "counted" });
    await Promise.all([host.close(), next.close(), later.close()]);
    expect(logged(world, "iot-telemetry")).toHaveLength(2);
  });

  test("records that a dead host had committed but not published are published by the next one that has the twin", async () => {
    const world = newWorld();
    const dead = openHost(world);
    world.log.goAway();
    await one(dead, report(1));
    await pause();
    expect(logged(world, "device-events")).toEqual([]);
    world.log.comeBack();
    const next = openHost(world);
    await one(next, report(2));
    await next.close();
    expect(logged(world, "device-events").map(({ record }) => record.kind)).toEqual([
      "registered",
      "presence",
      "shadowUpdated",
      "shadowUpdated",
    ]);
    await dead.close();
  });

  test("a twin whose state cannot be read is refused with a reason, its messages are dead letters, others go on", async () => {
    const world = newWorld();
    const host = openHost(world);
    await one(host, report(1));
    await one(host, report(1), "pump-5");
    const stored = world.database.twins.get("pump-4")!;
    world.database.twins.set("pump-4", { ...stored, state: "{" });
    const next = openHost(world);
    expect(await one(next, telemetry(1))).toMatchObject({ kind: "refused", reason: "twin-unreadable" });
    expect(await one(next, telemetry(1), "pump-5")).toMatchObject({ kind: "counted" });
    expect(logged(world, "dead-letter").map(({ record }) => "reason" in record && record.reason)).toEqual([
      "twin-unreadable",
    ]);
    world.database.twins.set("pump-4", stored);
    expect(await one(next, telemetry(1))).toMatchObject({ kind: "counted", accepted: 1 });
    await Promise.all([host.close(), next.close()]);
  });

  test("a deadline is a call to wherever the twin lives", async () => {
    const world = newWorld();
    const woken: string[] = [];
    const policy = { ...defaultPolicy, silenceMs: 1_000 };
    const host: DistributedHost = openHost(world, {
      policy,
      wake: async (device) => {
        woken.push(device);
        await host.turns(device, [named({ kind: "deadline" })]);
      },
    });
    await one(host, telemetry(1));
    await pause(60);
    expect(woken).toEqual([]);
    world.nowMs += 1_500;
    await pause(120);
    expect(woken).toEqual(["pump-4"]);
    expect(statusOf((await twinOf(host)).presence)).toBe("offline");
    await host.close();
  });

  test("a device that subscribed before it was known to be connected still gets what waits for it", async () => {
    const world = newWorld();
    const host = openHost(world);
    await one(host, { kind: "register", patch: {}, mode: "create" });
    await one(host, { kind: "commandRequest", command: "c1", name: "reboot", parameters: {}, expiresInMs: null });
    const session = { id: "pump-4@1", connectedAtMs: world.nowMs, node: "n1" };
    await one(host, { kind: "listening", session: "broker", to: { channel: "commands" } });
    expect(world.sent).toEqual([]);
    await one(host, { kind: "connected", session });
    expect(world.sent.map(({ topic }) => topic)).toEqual(["devices/pump-4/commands"]);
    await host.close();
  });
});
