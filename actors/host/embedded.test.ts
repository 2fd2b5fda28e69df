import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import { latestOf } from "../../core/device/metrics.ts";
import { defaultPolicy, type TwinPolicy } from "../../core/device/policy.ts";
import { statusOf } from "../../core/device/presence.ts";
import type { Twin } from "../../core/device/twin.ts";
import { type MemoryLogStorage, memoryLogStorage, openMemoryLog } from "../../ports/event-log/memory.ts";
import { type MemoryTwinStorage, memoryTwinStorage, openMemoryTwinStore } from "../../ports/twin-store/memory.ts";
import { type EmbeddedHost, openEmbeddedHost } from "./embedded.ts";

type Disk = { log: MemoryLogStorage; twins: MemoryTwinStorage };
const newDisk = (): Disk => ({ log: memoryLogStorage(), twins: memoryTwinStorage() });

let runs = 0;

/** A host on `disk`; it takes the place of one that died without a word. */
async function openHost(disk: Disk, more: { policy?: () => TwinPolicy; idleMs?: number } = {}): Promise<EmbeddedHost> {
  disk.log.taken = false;
  runs += 1;
  const host = await openEmbeddedHost({
    log: openMemoryLog(disk.log, Date.now),
    store: openMemoryTwinStore(disk.twins),
    now: Date.now,
    nodeId: `run-${runs}`,
    policyOf: more.policy ?? (() => defaultPolicy),
    openRegistry: true,
    flushMs: 5,
    checkpointMs: 1_000,
    idleMs: more.idleMs ?? 600_000,
    maxTwins: 1_000,
    logger: { error: () => {} },
  });
  host.closed.catch(() => {});
  return host;
}

const telemetry = (seq: number): TwinInput => ({
  kind: "telemetry",
  topic: "devices/pump-4/telemetry",
  payload: new TextEncoder().encode(JSON.stringify({ seq, boot: "a", readings: { temperature: seq } })),
  session: null,
});

async function settled(asked: Promise<Reply>, withinMs = 100): Promise<Reply> {
  await vi.advanceTimersByTimeAsync(withinMs);
  return asked;
}

async function twinOf(host: EmbeddedHost, device = "pump-4"): Promise<Twin> {
  const reply = await settled(host.ask(device, { kind: "read" }));
  if (reply.kind !== "twin") throw new Error(`${device} is ${reply.kind}`);
  return reply.twin;
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a message", () => {
  test("is answered after its record is durable, and after the listeners were told", async () => {
    const disk = newDisk();
    const host = await openHost(disk);
    const order: string[] = [];
    host.onCommitted((turns) => order.push(`committed ${turns.length} at log end ${disk.log.end}`));
    host.deliver("pump-4", telemetry(1), () => order.push("answered"));
    await vi.advanceTimersByTimeAsync(4);
    expect(order).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(order).toEqual(["committed 1 at log end 3", "answered"]);
  });

  test("that was sent again is answered with the batch in flight, not before", async () => {
    const disk = newDisk();
    const host = await openHost(disk);
    await settled(host.ask("pump-4", telemetry(1)));
    const order: string[] = [];
    host.deliver("pump-4", telemetry(2), () => order.push("first"));
    host.deliver("pump-4", telemetry(2), () => order.push("again"));
    host.deliver("pump-4", { kind: "read" }, () => order.push("read"));
    expect(order).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(order).toEqual(["first", "again", "read"]);
  });

  test.each(["before", "after"] as const)(
    "whose commit failed (%s it was stored) is never answered, and the host ends",
    async (when) => {
      const disk = newDisk();
      const host = await openHost(disk);
      disk.log.failNextAppend = when;
      let answered = false;
      host.deliver("pump-4", telemetry(1), () => {
        answered = true;
      });
      const ended = expect(host.closed).rejects.toMatchObject({ code: "LOG_BROKEN" });
      await vi.advanceTimersByTimeAsync(100);
      await ended;
      expect(answered).toBe(false);
    },
  );
});

describe("a restart", () => {
  test("brings back every acknowledged record, from checkpoints and the log's tail", async () => {
    const disk = newDisk();
    let host = await openHost(disk);
    for (let seq = 1; seq <= 47; seq += 1) {
      host.deliver("pump-4", telemetry(seq), () => {});
      await vi.advanceTimersByTimeAsync(100);
    }
    const before = await twinOf(host);
    expect(disk.twins.twins.size).toBe(1);
    host = await openHost(disk);
    expect(await twinOf(host)).toEqual(before);
    expect(host.recovery.replayedRecords).toBeGreaterThan(0);
    expect(host.recovery.replayedRecords).toBeLessThan(47);
  });

  test("checkpoints what it replayed at once, so that a process that dies soon again leaves no longer tail", async () => {
    const disk = newDisk();
    let host = await openHost(disk);
    await settled(host.ask("pump-4", telemetry(1)));
    vi.clearAllTimers();
    host = await openHost(disk);
    expect(host.recovery.replayedRecords).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(100);
    vi.clearAllTimers();
    host = await openHost(disk);
    expect(host.recovery.replayedRecords).toBe(0);
  });

  test("after a clean end replays nothing", async () => {
    const disk = newDisk();
    let host = await openHost(disk);
    await settled(host.ask("pump-4", telemetry(1)));
    const closing = host.close();
    await vi.advanceTimersByTimeAsync(100);
    await closing;
    host = await openHost(disk);
    expect(host.recovery.replayedRecords).toBe(0);
    expect(latestOf((await twinOf(host)).metrics, "temperature")?.value).toBe(1);
  });

  test("announces nothing for a device that comes back within the grace, and offline for one that does not", async () => {
    const disk = newDisk();
    let host = await openHost(disk);
    const connect = (device: string, node: string): TwinInput => ({
      kind: "connected",
      session: { id: `${device}@${node}`, connectedAtMs: Date.now(), node },
    });
    await settled(host.ask("stays", connect("stays", `run-${runs}`)));
    await settled(host.ask("goes", connect("goes", `run-${runs}`)));
    await vi.advanceTimersByTimeAsync(3_000);

    host = await openHost(disk);
    const announced: string[] = [];
    host.onCommitted((turns) => {
      for (const { device, records } of turns)
        for (const record of records)
          if (record.kind === "presence" && record.announced) announced.push(`${device} ${record.announced.status}`);
    });
    await vi.advanceTimersByTimeAsync(2_000);
    await settled(host.ask("stays", connect("stays", `run-${runs}`)));
    await vi.advanceTimersByTimeAsync(defaultPolicy.restartGraceMs + 1_000);
    expect(announced).toEqual(["goes offline"]);
  });

  test("at any moment loses nothing that was answered and invents nothing", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ device: fc.nat(5), seq: fc.nat(30), waitMs: fc.nat(400), crash: fc.boolean() }), {
          minLength: 1,
          maxLength: 40,
        }),
        async (steps) => {
          const disk = newDisk();
          let host = await openHost(disk);
          const answered = new Map<string, Set<number>>();
          const sent = new Map<string, Set<number>>();
          for (const { device, seq, waitMs, crash } of steps) {
            const id = `d${device}`;
            sent.set(id, (sent.get(id) ?? new Set()).add(seq));
            const living = host;
            host.deliver(id, telemetry(seq), (reply) => {
              if (living === host && reply.kind === "counted")
                answered.set(id, (answered.get(id) ?? new Set()).add(seq));
            });
            await vi.advanceTimersByTimeAsync(waitMs);
            if (crash) {
              vi.clearAllTimers();
              host = await openHost(disk);
            }
          }
          for (const [id, seqs] of answered) {
            const count = latestOf((await twinOf(host, id)).metrics, "temperature")?.count ?? 0;
            expect(count).toBeGreaterThanOrEqual(seqs.size);
            expect(count).toBeLessThanOrEqual(sent.get(id)!.size);
          }
          vi.clearAllTimers();
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("memory", () => {
  test("lets an idle twin go once it is checkpointed, and takes it back when it is needed", async () => {
    const host = await openHost(newDisk(), { idleMs: 5_000 });
    await settled(host.ask("pump-4", telemetry(1)));
    const before = await twinOf(host);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(host.stats().twinsInMemory).toBe(0);
    expect(await twinOf(host)).toEqual(before);
  });

  test("a twin that leaves and comes back keeps its one timer", async () => {
    const host = await openHost(newDisk(), { idleMs: 5_000 });
    await settled(host.ask("pump-4", telemetry(1)));
    for (let round = 0; round < 3; round += 1) {
      expect(host.stats()).toMatchObject({ twinsInMemory: 1, deadlines: 1 });
      await vi.advanceTimersByTimeAsync(10_000);
      expect(host.stats()).toMatchObject({ twinsInMemory: 0, deadlines: 1 });
      await twinOf(host);
    }
  });

  test("an evicted device still goes offline when its silence has lasted", async () => {
    const host = await openHost(newDisk(), { idleMs: 5_000 });
    await settled(host.ask("pump-4", telemetry(1)));
    await vi.advanceTimersByTimeAsync(61_000);
    expect(statusOf((await twinOf(host)).presence)).toBe("offline");
  });
});

describe("a changed policy", () => {
  test("holds at once, for twins in memory and for others", async () => {
    let policy = defaultPolicy;
    const host = await openHost(newDisk(), { policy: () => policy, idleMs: 5_000 });
    await settled(host.ask("pump-4", telemetry(1)));
    await vi.advanceTimersByTimeAsync(10_000);
    policy = { ...defaultPolicy, silenceMs: 12_000 };
    host.policiesChanged();
    await vi.advanceTimersByTimeAsync(2_500);
    expect(statusOf((await twinOf(host)).presence)).toBe("offline");
  });
});

describe("a turn that throws", () => {
  test("changes nothing, harms no other device, and dead-letters the message", async () => {
    const host = await openHost(newDisk());
    await settled(host.ask("pump-4", telemetry(1)));
    const poison = { ...telemetry(2), kind: "nonsense" } as unknown as TwinInput;
    expect(await settled(host.ask("pump-4", poison))).toMatchObject({ kind: "refused", reason: "turn-failed" });
    expect(latestOf((await twinOf(host)).metrics, "temperature")?.count).toBe(1);
    expect(await settled(host.ask("valve-1", telemetry(1)))).toMatchObject({ kind: "counted", accepted: 1 });
  });
});

test("a read of a device that nobody knows says so and keeps nothing", async () => {
  const host = await openHost(newDisk());
  expect(await settled(host.ask("nobody", { kind: "read" }))).toEqual({ kind: "unknownDevice" });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(host.stats().twinsInMemory).toBe(0);
});
