import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { type TwinRecord, topicOf } from "../../core/device/records.ts";
import { StaleProgress } from "../time-series/port.ts";
import type { Opened } from "./contract.ts";
import { memoryFleetIndex } from "./memory.ts";
import type { FleetIndex } from "./port.ts";
import { cameOnline, deadLettered, fellSilent, noonMs, numbered, registered, requested, telemetry } from "./testing.ts";

const all = { cursor: null, limit: 100 };

/** What `FleetIndex` promises of a log with partitions (F1, F4). */
export function fleetIndexPartitionsContract(name: string, open: () => Promise<Opened<FleetIndex>>): void {
  async function opened(): Promise<FleetIndex> {
    const { port, close } = await open();
    onTestFinished(close);
    return port;
  }

  describe(`${name} as FleetIndex of a log with partitions`, () => {
    test("each partition has a progress of its own, and one that nobody has read has none", async () => {
      const port = await opened();
      expect(await port.progressIn("device-events/0")).toBeNull();
      await port.apply(numbered(100, [["a", registered()]]), { from: 100, to: 101, partition: "device-events/0" });
      await port.apply(numbered(100, [["b", registered()]]), { from: 7, to: 101, partition: "device-events/1" });
      await port.apply([], { from: 101, to: 200, partition: "device-events/0" });
      expect(await port.progressIn("device-events/0")).toBe(200);
      expect(await port.progressIn("device-events/1")).toBe(101);
      expect(await port.progress()).toBe(0);
      expect(await port.count({})).toBe(2);
    });

    test("a partition that is read twice is refused and harms no other", async () => {
      const port = await opened();
      const entries = numbered(0, [["a", deadLettered("not-utf8")]]);
      await port.apply(entries, { from: 0, to: 1, partition: "dead-letter/0" });
      await expect(port.apply(entries, { from: 0, to: 1, partition: "dead-letter/0" })).rejects.toBeInstanceOf(
        StaleProgress,
      );
      await port.apply(numbered(0, [["b", deadLettered("not-utf8")]]), { from: 0, to: 1, partition: "dead-letter/1" });
      await port.apply(numbered(1, [["a", deadLettered("not-utf8")]]), { from: 1, to: 2, partition: "dead-letter/0" });
      expect(await port.deadLetterCounts()).toEqual({ "not-utf8": 3 });
      expect([await port.progressIn("dead-letter/0"), await port.progressIn("dead-letter/1")]).toEqual([2, 1]);
    });

    test("of two readers that begin in a partition at the same time one wins", async () => {
      const port = await opened();
      const first = () =>
        port.apply(numbered(5, [["a", registered()]]), { from: 5, to: 6, partition: "device-events/0" });
      const outcomes = await Promise.allSettled([first(), first()]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("a device's dead letters and events come newest first, whatever their offsets and whichever came first", async () => {
      const port = await opened();
      const events: [string, TwinRecord][] = [
        ["a", registered({}, noonMs)],
        ["a", cameOnline(noonMs + 2)],
        ["a", fellSilent(noonMs + 4)],
      ];
      const letters: [string, TwinRecord][] = [
        ["a", deadLettered("not-utf8", noonMs + 1)],
        ["a", deadLettered("bad-tags", noonMs + 3)],
      ];
      await port.apply(numbered(7, events), { from: 7, to: 10, partition: "device-events/0" });
      await port.apply(numbered(7, letters), { from: 7, to: 9, partition: "dead-letter/0" });
      const seen: [number, string][] = [];
      let cursor: string | null = null;
      do {
        const page: Awaited<ReturnType<FleetIndex["events"]>> = await port.events(
          { device: "a" },
          { cursor, limit: 1 },
        );
        seen.push(...page.items.map(({ offset, record }): [number, string] => [offset, record.kind]));
        cursor = page.next;
      } while (cursor !== null);
      expect(seen).toEqual([
        [9, "presence"],
        [8, "deadLettered"],
        [8, "presence"],
        [7, "deadLettered"],
        [7, "registered"],
      ]);
    });

    test("pages leave out nothing where offsets and times are the same in every partition", async () => {
      const port = await opened();
      for (const partition of [0, 1, 2]) {
        const pairs = [`d${partition}`, `e${partition}`].map((id) => [id, requested("c")] as const);
        await port.apply([...numbered(3, pairs)], { from: 3, to: 5, partition: `device-events/${partition}` });
        const letter = numbered(3, [[`d${partition}`, deadLettered("not-utf8")]]);
        await port.apply(letter, { from: 3, to: 4, partition: `dead-letter/${partition}` });
      }
      const events = await paged((page) => port.events({ device: null }, page));
      expect(new Set(events.map(({ device, record }) => `${device} ${record.kind}`)).size).toBe(9);
      expect(events).toHaveLength(9);
      const commands = await paged((page) => port.commands({ device: null }, page));
      expect(new Set(commands.map(({ device }) => device)).size).toBe(6);
      expect(commands).toHaveLength(6);
    });

    test("a device whose telemetry came before its registration shows it", async () => {
      const port = await opened();
      const readings = telemetry(noonMs + 2_000, { latitude: 1, longitude: 2 });
      await port.apply(numbered(0, [["a", readings]]), { from: 0, to: 1, partition: "iot-telemetry/0" });
      expect(await port.device("a")).toBeNull();
      const events: [string, TwinRecord][] = [
        ["a", registered({}, noonMs)],
        ["a", cameOnline(noonMs + 1)],
      ];
      await port.apply(numbered(0, events), { from: 0, to: 2, partition: "device-events/0" });
      expect(await port.device("a")).toMatchObject({ status: "online", lastSeenMs: noonMs + 2_000 });
      expect(await port.located(9)).toEqual([{ id: "a", latitude: 1, longitude: 2, status: "online" }]);
    });

    test("telemetry that comes late is not of a device that was registered anew since", async () => {
      const port = await opened();
      const events: [string, TwinRecord][] = [
        ["a", registered({}, noonMs)],
        ["a", { kind: "deregistered", atMs: noonMs + 2 }],
        ["a", registered({}, noonMs + 3)],
        ["b", registered({}, noonMs)],
        ["b", { kind: "deregistered", atMs: noonMs + 2 }],
      ];
      await port.apply(numbered(0, events), { from: 0, to: 5, partition: "device-events/0" });
      const late = telemetry(noonMs + 1, { latitude: 1, longitude: 2 });
      const pairs = [["a", late] as const, ["b", late] as const];
      await port.apply(numbered(0, pairs), { from: 0, to: 2, partition: "iot-telemetry/0" });
      expect(await port.device("a")).toMatchObject({ lastSeenMs: 0 });
      expect(await port.device("b")).toBeNull();
      expect(await port.located(9)).toEqual([]);
    });

    test("a device that went silent shows its last word once its sightings are settled", async () => {
      const port = await opened();
      await port.apply(numbered(0, [["a", registered()]]), { from: 0, to: 1, partition: "device-events/0" });
      for (let second = 0; second < 10; second += 1) {
        const place = telemetry(noonMs + second * 1_000, { latitude: second, longitude: 0 });
        await port.apply(numbered(second, [["a", place]]), {
          ...{ from: second, to: second + 1, partition: "iot-telemetry/0" },
        });
      }
      const silent = numbered(1, [["a", fellSilent(noonMs + 69_000)]]);
      await port.apply(silent, { from: 1, to: 2, partition: "device-events/0" });
      await port.settleSightings(noonMs + 9_001);
      expect(await port.device("a")).toMatchObject({ status: "offline", lastSeenMs: noonMs + 9_000 });
      expect(await port.located(9)).toMatchObject([{ latitude: 9 }]);
    });

    test("however the partitions are mixed, the index is that of the log in order", async () => {
      let run = 0;
      const port = await opened();
      const state = async (index: FleetIndex, devices: readonly string[]) => {
        const search = { search: devices[0]!.split("-")[0]! };
        const events = await Promise.all(devices.map((device) => index.events({ device }, all)));
        const located = (await index.located(1_000)).filter(({ id }) => devices.includes(id));
        return [
          (await index.devices(search, all)).items,
          ...(await Promise.all(devices.map((device) => index.commands({ device }, all)))),
          ...[located, events.map(({ items }) => items.map(({ device, record }) => ({ device, record })))],
        ];
      };
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(2), anyKind), { minLength: 1, maxLength: 30 }),
          fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 6 })), { maxLength: 20 }),
          async (steps, picks) => {
            run += 1;
            const model = memoryFleetIndex();
            const pairs = steps.map(([device, kind], index): [string, TwinRecord] => [
              `r${run}x-${device}`,
              recordOf(kind, noonMs + index * 20_000, index),
            ]);
            await model.apply(numbered(0, pairs), { from: 0, to: pairs.length });
            const waiting = new Map(["iot-telemetry", "device-events", "dead-letter"].map((t) => [t, 0]));
            const take = async (topic: string, count: number) => {
              const from = waiting.get(topic)!;
              const some = pairs.filter(([, record]) => topicOf(record) === topic).slice(from, from + count);
              waiting.set(topic, from + some.length);
              const progress = { from, to: from + some.length, partition: `${topic}/${run}` };
              if (some.length > 0) await port.apply(numbered(from, some), progress);
            };
            const topics = [...waiting.keys()];
            for (const [topic, count] of picks) await take(topics[topic]!, count);
            // The rest at the same time: they touch the same devices.
            await Promise.all(topics.map((topic) => take(topic, pairs.length)));
            await port.settleSightings(Number.POSITIVE_INFINITY);
            const ids = [0, 1, 2].map((device) => `r${run}x-${device}`);
            expect(await state(port, ids)).toEqual(await state(model, ids));
          },
        ),
        { numRuns: 60, endOnFailure: true },
      );
    });

    test("partitions that touch the same devices at the same time all get through", async () => {
      const port = await opened();
      const ids = Array.from({ length: 40 }, (_, number) => `d${number}`);
      const events = async () => {
        for (let round = 0; round < 6; round += 1) {
          const kind = round % 3 === 2 ? "deregistered" : "registered";
          const pairs = ids.map((id) => [id, recordOf(kind, noonMs + round * 100_000, 0)] as const);
          const from = round * 40;
          await port.apply(numbered(from, pairs), { from, to: from + 40, partition: "device-events/0" });
        }
      };
      const sightings = async (topic: string, make: (atMs: number) => TwinRecord, order: readonly string[]) => {
        for (let round = 0; round < 12; round += 1) {
          const pairs = order.map((id) => [id, make(noonMs + round * 50_000 + 1)] as const);
          const from = round * 40;
          await port.apply(numbered(from, pairs), { from, to: from + 40, partition: `${topic}/0` });
        }
      };
      await Promise.all([
        events(),
        sightings("iot-telemetry", (atMs) => telemetry(atMs), [...ids].reverse()),
        sightings("dead-letter", (atMs) => deadLettered(atMs % 2 === 0 ? "not-utf8" : "bad-tags", atMs), ids),
      ]);
      expect((await port.devices({}, all)).items).toEqual([]);
      await port.apply(
        numbered(
          240,
          ids.map((id) => [id, registered({}, noonMs + 500_001)] as const),
        ),
        {
          ...{ from: 240, to: 280, partition: "device-events/0" },
        },
      );
      const { items } = await port.devices({}, all);
      expect(items.map(({ lastSeenMs }) => lastSeenMs)).toEqual(ids.map(() => noonMs + 550_001));
    });
  });
}

const kinds = ["registered", "deregistered", "online", "silent", "telemetry", "letter", "command", "moved"] as const;
type Kind = (typeof kinds)[number];
const anyKind = fc.constantFrom(...kinds);

function recordOf(kind: Kind, atMs: number, index: number): TwinRecord {
  switch (kind) {
    case "registered":
      return registered({ region: `r${index % 3}` }, atMs);
    case "deregistered":
      return { kind, atMs };
    case "online":
      return cameOnline(atMs);
    case "silent":
      return fellSilent(atMs, index % 2 === 0);
    case "telemetry":
      return telemetry(atMs, index % 2 === 0 ? { latitude: index, longitude: 1 } : { temperature: 1 });
    case "letter":
      return deadLettered("not-utf8", atMs);
    case "command":
      return requested(`c${index % 3}`, atMs);
    case "moved":
      return { kind: "commandMoved", atMs, command: `c${index % 3}`, to: "sent" };
  }
}

/** Every item, by pages of two. */
async function paged<T>(
  read: (page: { cursor: string | null; limit: number }) => Promise<{ items: readonly T[]; next: string | null }>,
): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: readonly T[]; next: string | null } = await read({ cursor, limit: 2 });
    found.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return found;
}
