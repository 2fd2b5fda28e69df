import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LiveItem } from "./live-messages.ts";
import { LiveOutbox, type OutboxLimits } from "./live-outbox.ts";

const limits: OutboxLimits = { maxKeys: 5, maxCharacters: 2_000, settleMs: 100 };

const command = (device: string, id: string, version: number): LiveItem => ({
  kind: "message",
  key: `command ${device} ${id}`,
  message: { type: "command", device, command: id, name: String(version), state: "queued" },
});
const telemetry = (device: string, readings: Record<string, [tsMs: number, value: number]>): LiveItem => ({
  kind: "telemetry",
  device,
  readings: new Map(Object.entries(readings).map(([metric, [tsMs, value]]) => [metric, { tsMs, value }])),
});

function drain(outbox: LiveOutbox, nowMs: number): unknown[] {
  const taken: unknown[] = [];
  for (let text = outbox.take(nowMs); text !== null; text = outbox.take(nowMs)) taken.push(JSON.parse(text));
  return taken;
}

describe("the outbox of a slow reader", () => {
  test("keeps only the newest message of a key", () => {
    const outbox = new LiveOutbox(limits);
    for (let version = 1; version <= 1_000; version += 1) outbox.offer(command("a", "c", version), 0);
    expect(outbox.size.keys).toBe(1);
    expect(drain(outbox, 0)).toEqual([{ type: "command", device: "a", command: "c", name: "1000", state: "queued" }]);
    expect(outbox.size).toEqual({ keys: 0, characters: 0 });
  });

  test("merges telemetry of a device by metric, the newest time winning", () => {
    const outbox = new LiveOutbox(limits);
    outbox.offer(telemetry("a", { t: [2_000, 21], h: [2_000, 60] }), 0);
    outbox.offer(telemetry("a", { t: [1_000, 99], p: [1_000, 7] }), 0);
    outbox.offer(telemetry("a", { t: [3_000, 22] }), 0);
    expect(drain(outbox, 0)).toEqual([
      { type: "telemetry", device: "a", ts: "1970-01-01T00:00:03.000Z", readings: { t: 22, h: 60, p: 7 } },
    ]);
  });

  test("too many keys become one resync, not before lists have caught up", () => {
    const outbox = new LiveOutbox(limits);
    for (let n = 0; n < 6; n += 1) outbox.offer(command("a", `c${n}`, n), 1_000);
    expect(outbox.size).toEqual({ keys: 0, characters: 0 });
    outbox.offer(command("a", "after", 1), 1_010);
    expect(drain(outbox, 1_050)).toMatchObject([{ command: "after" }]);
    expect(drain(outbox, 1_100)).toEqual([{ type: "resync" }]);
    expect(drain(outbox, 9_999)).toEqual([]);
  });

  test("too much text becomes a resync too", () => {
    const outbox = new LiveOutbox(limits);
    outbox.offer({ kind: "message", key: "error", message: { type: "error", detail: "x".repeat(3_000) } }, 0);
    expect(drain(outbox, 100)).toEqual([{ type: "resync" }]);
  });

  test("dropping without end still resyncs, once in a while and a last time after it", () => {
    const outbox = new LiveOutbox(limits);
    let resyncs = 0;
    for (let ms = 0; ms < 1_000; ms += 1) {
      for (let n = 0; n < 6; n += 1) outbox.offer(command("a", `c${n}`, ms), ms);
      if (ms % 10 === 0)
        resyncs += drain(outbox, ms).filter((message) => (message as { type: string }).type === "resync").length;
    }
    expect(resyncs).toBeGreaterThanOrEqual(8);
    expect(resyncs).toBeLessThanOrEqual(11);
    expect(drain(outbox, 1_099)).toContainEqual({ type: "resync" });
  });
});

/** What a reader knows: of each command the newest version, of each reading the newest one. */
type Known = { commands: Map<string, number>; readings: Map<string, { tsMs: number; value: number }> };
const nothing = (): Known => ({ commands: new Map(), readings: new Map() });

function learn(known: Known, item: LiveItem): void {
  if (item.kind === "telemetry") {
    for (const [metric, { tsMs, value }] of item.readings)
      learnReading(known, `${item.device} ${metric}`, tsMs, Number(value));
  } else if (item.message.type === "command") {
    known.commands.set(item.key, Math.max(known.commands.get(item.key) ?? 0, Number(item.message.name)));
  }
}
function learnReading(known: Known, key: string, tsMs: number, value: number): void {
  const older = known.readings.get(key);
  if (older === undefined || older.tsMs < tsMs) known.readings.set(key, { tsMs, value });
}

test("however slowly it reads, a reader ends with the newest of each key, and what waits stays bounded", () => {
  const device = fc.constantFrom("a", "b", "c");
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("command" as const), device, id: fc.constantFrom("1", "2", "3") }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("telemetry" as const),
        device,
        metrics: fc.uniqueArray(fc.constantFrom("t", "h"), { minLength: 1 }),
        lateMs: fc.nat(50),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), count: fc.nat(6) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(150) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const outbox = new LiveOutbox(limits);
      const truth = nothing();
      const reader = nothing();
      /** The lists follow by just under `settleMs`: what a reader fetches is the truth as of then. */
      const history: { atMs: number; item: LiveItem }[] = [];
      let nowMs = 1_000;
      let version = 0;
      const offer = (item: LiveItem) => {
        history.push({ atMs: nowMs, item });
        learn(truth, item);
        outbox.offer(item, nowMs);
      };
      const read = (text: string) => {
        const message = JSON.parse(text);
        if (message.type === "resync") {
          for (const { atMs, item } of history) if (atMs <= nowMs - limits.settleMs) learn(reader, item);
        } else if (message.type === "command") {
          learn(reader, command(message.device, message.command, Number(message.name)));
        } else {
          // A value names its own time, so that the reader can tell what is newer.
          for (const [metric, value] of Object.entries(message.readings as Record<string, number>)) {
            learnReading(reader, `${message.device} ${metric}`, Math.floor(value), value);
          }
        }
      };
      for (const step of steps) {
        nowMs += 1;
        if (step.kind === "wait") nowMs += step.ms;
        else if (step.kind === "command") offer(command(step.device, step.id, ++version));
        else if (step.kind === "telemetry") {
          const tsMs = nowMs - step.lateMs;
          offer(telemetry(step.device, Object.fromEntries(step.metrics.map((metric) => [metric, [tsMs, tsMs]]))));
        } else {
          for (let n = 0; n < step.count; n += 1) {
            const text = outbox.take(nowMs);
            if (text !== null) read(text);
          }
        }
        expect(outbox.size.keys).toBeLessThanOrEqual(limits.maxKeys);
        expect(outbox.size.characters).toBeLessThanOrEqual(limits.maxCharacters);
        expect(outbox.size.characters).toBeGreaterThanOrEqual(0);
      }
      for (let rounds = 0; rounds < 3; rounds += 1) {
        nowMs += limits.settleMs;
        for (let text = outbox.take(nowMs); text !== null; text = outbox.take(nowMs)) read(text);
      }
      expect(reader).toEqual(truth);
      expect(outbox.size).toEqual({ keys: 0, characters: 0 });
    }),
    { numRuns: 2_000 },
  );
});
