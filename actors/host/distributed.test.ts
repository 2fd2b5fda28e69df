import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import { latestOf } from "../../core/device/metrics.ts";
import { defaultPolicy, type TwinPolicy } from "../../core/device/policy.ts";
import { statusOf } from "../../core/device/presence.ts";
import { hash53 } from "../../core/hash.ts";
import type { DownlinkMessage } from "../../ports/downlink/port.ts";
import { type MemoryRecordLog, openMemoryRecordLog } from "../../ports/record-log/memory.ts";
import type { LoggedRecord, LogTopic, RecordPublisher } from "../../ports/record-log/port.ts";
import { type MemorySoftStorage, memorySoftStorage, openMemorySoftState } from "../../ports/soft-state/memory.ts";
import { type MemoryTwinDatabase, memoryTwinDatabase, openMemoryTwinState } from "../../ports/twin-state/memory.ts";
import type { NamedTurn, TurnsAnswer } from "../device/turns-wire.ts";
import { type DistributedHost, openDistributedHost } from "./distributed.ts";

/** What hosts share, and how it fails next. */
type World = {
  readonly database: MemoryTwinDatabase;
  readonly log: MemoryRecordLog;
  readonly soft: MemorySoftStorage;
  readonly sent: DownlinkMessage[];
  nowMs: number;
  failCommit: "before" | "after" | null;
};

const newWorld = (): World => ({
  database: memoryTwinDatabase(),
  log: openMemoryRecordLog(),
  soft: memorySoftStorage(),
  sent: [],
  nowMs: 1_700_000_000_000,
  failCommit: null,
});

let hosts = 0;

function openHost(
  world: World,
  more: { policy?: TwinPolicy; publishMs?: number; wake?: (device: string) => Promise<unknown> } = {},
): DistributedHost {
  hosts += 1;
  const store = openMemoryTwinState(world.database, { host: `host-${hosts}`, now: () => world.nowMs });
  return openDistributedHost({
    store: {
      ...store,
      async commit(writes) {
        const failure = world.failCommit;
        world.failCommit = null;
        if (failure === "before") throw new Error("the database is away");
        const outcomes = await store.commit(writes);
        if (failure === "after") throw new Error("the answer was lost");
        return outcomes;
      },
    },
    publisher: slowed(world.log.openPublisher(), more.publishMs ?? 0),
    soft: openMemorySoftState(world.soft),
    downlink: { publish: async (message) => void world.sent.push(message), connected: true, close: async () => {} },
    now: () => world.nowMs,
    policyOf: () => more.policy ?? defaultPolicy,
    openRegistry: true,
    flushMs: 0,
    softMs: 0,
    idleMs: 600_000,
    wake: more.wake ?? (async () => {}),
    logger: { error: () => {}, warn: () => {} },
  });
}

function slowed(publisher: RecordPublisher, ms: number): RecordPublisher {
  if (ms === 0) return publisher;
  return { ...publisher, publish: async (records) => pause(ms).then(() => publisher.publish(records)) };
}

let turnCount = 0;
const named = (input: TwinInput, more: Partial<NamedTurn> = {}): NamedTurn => {
  turnCount += 1;
  return { turn: `t${turnCount}`, digest: 0, redelivered: false, input, ...more };
};
const telemetry = (seq: number): TwinInput => ({
  kind: "telemetry",
  topic: "devices/pump-4/telemetry",
  payload: new TextEncoder().encode(
    JSON.stringify({ ts: 1_700_000_000_000 + seq, boot: "b", seq, readings: { t: seq } }),
  ),
  session: null,
});
const report = (value: number): TwinInput => ({
  kind: "shadow",
  shadow: "",
  request: { kind: "update", payload: new TextEncoder().encode(JSON.stringify({ state: { reported: { value } } })) },
  by: "device",
  session: null,
});
const read: TwinInput = { kind: "read" };

function repliesOf(answer: TurnsAnswer): readonly Reply[] {
  if (answer.kind !== "replies") throw new Error(`the turns were not taken: ${answer.why}`);
  return answer.replies;
}
const one = async (host: DistributedHost, input: TwinInput, device = "pump-4") =>
  repliesOf(await host.turns(device, [named(input)]))[0]!;
const twinOf = async (host: DistributedHost, device = "pump-4") => {
  const reply = await one(host, read, device);
  if (reply.kind !== "twin") throw new Error(`${device} is ${reply.kind}`);
  return reply.twin;
};
/** What readers of the log keep: each record once, without the small talk. */
const logged = (world: World, topic: LogTopic, device = "pump-4"): LoggedRecord[] => {
  const seen = new Set<string>();
  return world.log.records(topic).filter((record) => {
    if (record.device !== device || record.record.kind === "seen" || seen.has(record.id)) return false;
    seen.add(record.id);
    return true;
  });
};
const pause = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));

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

type Step =
  | { readonly kind: "telemetry" | "report"; readonly device: number; readonly again: boolean }
  | { readonly kind: "move"; readonly device: number; readonly told: boolean }
  | { readonly kind: "crash"; readonly host: number }
  | { readonly kind: "failCommit"; readonly how: "before" | "after" }
  | { readonly kind: "failPublish"; readonly stored: "nothing" | "all" }
  | { readonly kind: "pause" };

const device = fc.nat({ max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("telemetry" as const), device, again: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("report" as const), device, again: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("move" as const), device, told: fc.boolean() }) },
  fc.record({ kind: fc.constant("crash" as const), host: fc.nat({ max: 1 }) }),
  fc.record({ kind: fc.constant("failCommit" as const), how: fc.constantFrom("before" as const, "after" as const) }),
  fc.record({ kind: fc.constant("failPublish" as const), stored: fc.constantFrom("nothing" as const, "all" as const) }),
  fc.record({ kind: fc.constant("pause" as const) }),
);

test("whatever dies, moves or fails, each message that was answered is in the log, and has one effect", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const world = newWorld();
      const running = [openHost(world), openHost(world)];
      const left: DistributedHost[] = [];
      const devices = ["a", "b"];
      const place = [0, 1];
      const sent = devices.map(() => ({ readings: 0, reports: 0 }));
      /** As a gateway does: until it is answered. */
      const deliver = async (to: number, turn: NamedTurn) => {
        for (let tries = 0; tries < 20; tries += 1) {
          const answer = await running[place[to]!]!.turns(devices[to]!, [turn]);
          if (answer.kind === "replies") return;
        }
        throw new Error("never answered");
      };
      for (const [index, next] of steps.entries()) {
        world.nowMs += 10;
        switch (next.kind) {
          case "telemetry": {
            sent[next.device]!.readings += 1;
            const input = telemetry(sent[next.device]!.readings);
            await deliver(next.device, named(input));
            if (next.again) await deliver(next.device, named(input, { redelivered: true }));
            break;
          }
          case "report": {
            sent[next.device]!.reports += 1;
            const digest = hash53(`${index}`);
            const turn = named(report(sent[next.device]!.reports), { digest });
            await deliver(next.device, turn);
            if (next.again) await deliver(next.device, { ...turn, turn: `${turn.turn}-again`, redelivered: true });
            break;
          }
          case "move": {
            const from = running[place[next.device]!]!;
            place[next.device] = 1 - place[next.device]!;
            // Whoever lost a twin without being told learns that its sidecar was away, or that it stood still itself,
            // before it is asked again.
            if (next.told) from.deactivated(devices[next.device]!);
            else from.doubtAll();
            break;
          }
          case "crash":
            // It stays as it is and is never asked again, as a process that was stopped in the middle.
            left.push(running[next.host]!);
            running[next.host] = openHost(world);
            break;
          case "failCommit":
            world.failCommit = next.how;
            break;
          case "failPublish":
            world.log.failNextPublish(next.stored);
            break;
          case "pause":
            await pause(1);
        }
      }
      world.failCommit = null;
      for (const [index, name] of devices.entries()) {
        if (sent[index]!.reports > 0) {
          const { shadows } = await twinOf(running[place[index]!]!, name);
          expect(shadows[""]).toMatchObject({ version: sent[index]!.reports });
        }
      }
      await Promise.all([...running, ...left].map((host) => host.close()));
      for (const [index, name] of devices.entries()) {
        const times = logged(world, "iot-telemetry", name).map(({ record }) => "tsMs" in record && record.tsMs);
        expect(times.sort()).toEqual(Array.from({ length: sent[index]!.readings }, (_, at) => 1_700_000_000_001 + at));
        const versions = logged(world, "device-events", name).flatMap(({ record }) =>
          record.kind === "shadowUpdated" ? [record.version] : [],
        );
        expect(versions).toEqual(Array.from({ length: sent[index]!.reports }, (_, at) => at + 1));
      }
      expect(world.database.outbox).toEqual([]);
    }),
    { numRuns: Number(process.env.DOPPEL_PROPERTY_RUNS ?? 60) },
  );
});
