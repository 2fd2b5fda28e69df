import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { StaleProgress } from "../time-series/port.ts";
import { encodeCursor } from "./cursor.ts";
import { deadLettersContract } from "./dead-letters-contract.ts";
import { memoryFleetIndex } from "./memory.ts";
import { fleetIndexPartitionsContract } from "./partitions-contract.ts";
import { BadCursor, type DeviceEvent, type FleetIndex, type Page } from "./port.ts";
import { cameOnline, deadLettered, fellSilent, noonMs, numbered, registered, requested, telemetry } from "./testing.ts";

export type Opened<Port> = { readonly port: Port; close(): Promise<void> };

const all = { cursor: null, limit: 100 };

/** The promises of `FleetIndex` (F1–F4), for every implementation. */
export function fleetIndexContract(name: string, open: () => Promise<Opened<FleetIndex>>): void {
  fleetIndexPartitionsContract(name, open);
  deadLettersContract(name, open);

  async function opened(): Promise<FleetIndex> {
    const { port, close } = await open();
    onTestFinished(close);
    return port;
  }

  describe(`${name} as FleetIndex`, () => {
    test("a new index stands at 0 and is empty", async () => {
      const port = await opened();
      expect(await port.progress()).toBe(0);
      expect(await port.devices({}, all)).toEqual({ items: [], next: null });
      expect(await port.events({ device: null }, all)).toEqual({ items: [], next: null });
      expect(await port.commands({ device: null }, all)).toEqual({ items: [], next: null });
      expect(await port.stats()).toEqual({ devices: 0, online: 0, offline: 0, flapping: 0, regions: [], types: [] });
      expect([await port.device("x"), await port.command("x", "y"), await port.count({})]).toEqual([null, null, 0]);
    });

    test("a device shows its registration and, once it is there, its presence", async () => {
      const port = await opened();
      const registration = {
        type: "pump",
        region: "eu",
        location: { name: "Halle 3", latitude: 52.5, longitude: 13.4 },
        tags: { line: "7", "": "empty" },
        firmwareVersion: "1.2",
        createdAtMs: noonMs,
      };
      await fold(port, ["pump-4", registered(registration)]);
      const before = { status: "offline", sinceMs: 0, lastSeenMs: 0, connected: false, flapping: false };
      expect(await port.device("pump-4")).toEqual({ id: "pump-4", ...registration, ...before });
      await fold(port, ["pump-4", cameOnline(noonMs + 5)]);
      const after = { status: "online", sinceMs: noonMs + 5, lastSeenMs: noonMs + 5, connected: true, flapping: false };
      expect(await port.device("pump-4")).toEqual({ id: "pump-4", ...registration, ...after });
    });

    test("a changed registration leaves presence as it is", async () => {
      const port = await opened();
      await fold(port, ["pump-4", registered()], ["pump-4", cameOnline()]);
      const registration = { ...((await port.device("pump-4")) as object), region: "us", tags: { a: "b" } };
      await fold(port, ["pump-4", { kind: "registrationChanged", atMs: noonMs, registration: registration as never }]);
      expect(await port.device("pump-4")).toMatchObject({ region: "us", tags: { a: "b" }, status: "online" });
    });

    test("a device that went silent shows when it was last heard", async () => {
      const port = await opened();
      await fold(port, ["pump-4", registered()], ["pump-4", cameOnline()]);
      await fold(port, ["pump-4", telemetry(noonMs + 3_000)]);
      await fold(port, ["pump-4", { kind: "seen", atMs: noonMs + 9_000, why: "heartbeat" }]);
      await fold(port, ["pump-4", fellSilent(noonMs + 69_000, true)]);
      const expected = { status: "offline", sinceMs: noonMs + 69_000, lastSeenMs: noonMs + 9_000, flapping: true };
      expect(await port.device("pump-4")).toMatchObject({ ...expected, connected: true });
    });

    test("last seen is never more than 30 s old while messages flow", async () => {
      const port = await opened();
      await fold(port, ["pump-4", registered()]);
      for (let second = 0; second < 120; second += 7) {
        const atMs = noonMs + second * 1_000;
        await fold(port, ["pump-4", telemetry(atMs)]);
        const { lastSeenMs } = (await port.device("pump-4"))!;
        expect(lastSeenMs).toBeLessThanOrEqual(atMs);
        expect(lastSeenMs).toBeGreaterThan(atMs - 30_000);
      }
    });

    test("what is delivered twice is applied once", async () => {
      const port = await opened();
      const entries = numbered(0, [
        ["pump-4", registered()],
        ["pump-4", deadLettered("malformed-json")],
      ]);
      await port.apply(entries, { from: 0, to: 2 });
      await expect(port.apply(entries, { from: 0, to: 2 })).rejects.toBeInstanceOf(StaleProgress);
      await expect(port.apply(entries, { from: 3, to: 5 })).rejects.toBeInstanceOf(StaleProgress);
      expect(await port.progress()).toBe(2);
      expect(await port.deadLetterCounts()).toEqual({ "malformed-json": 1 });
      expect((await port.events({ device: null }, all)).items).toHaveLength(2);
    });

    test("a deregistered device is in no list, its events stay, and it may come back new", async () => {
      const port = await opened();
      await fold(
        port,
        ["pump-4", registered({ tags: { old: "1" } })],
        ["pump-4", cameOnline()],
        ["pump-5", registered()],
      );
      await fold(port, ["pump-4", { kind: "deregistered", atMs: noonMs }]);
      expect(ids(await port.devices({}, all))).toEqual(["pump-5"]);
      expect((await port.stats()).devices).toBe(1);
      expect(await kinds(port, "pump-4")).toEqual(["deregistered", "presence", "registered"]);
      await fold(port, ["pump-4", registered()]);
      expect(await port.device("pump-4")).toMatchObject({ status: "offline", lastSeenMs: 0, tags: {} });
    });

    test("lists are filtered by every property, alone and together", async () => {
      const port = await opened();
      await fold(
        port,
        ["Pump-1", registered({ region: "eu", type: "pump", tags: { line: "7", site: "a" } })],
        ["pump-2", registered({ region: "us", type: "pump", tags: { line: "8" } })],
        ["fan-1", registered({ region: "eu", type: "fan" })],
        ["Pump-1", cameOnline()],
        ["fan-1", fellSilent(noonMs, true)],
      );
      const found = async (filter: Parameters<FleetIndex["devices"]>[0]) => {
        const listed = ids(await port.devices(filter, all));
        expect(await port.count(filter)).toBe(listed.length);
        return listed;
      };
      expect(await found({})).toEqual(["Pump-1", "fan-1", "pump-2"]);
      expect(await found({ region: "eu" })).toEqual(["Pump-1", "fan-1"]);
      expect(await found({ type: "pump" })).toEqual(["Pump-1", "pump-2"]);
      expect(await found({ status: "online" })).toEqual(["Pump-1"]);
      expect(await found({ status: "offline", region: "eu" })).toEqual(["fan-1"]);
      expect(await found({ flapping: true })).toEqual(["fan-1"]);
      expect(await found({ flapping: false })).toEqual(["Pump-1", "pump-2"]);
      expect(await found({ tag: { name: "line", value: "7" } })).toEqual(["Pump-1"]);
      expect(await found({ tag: { name: "toString", value: "x" } })).toEqual([]);
      expect(await found({ search: "PUMP" })).toEqual(["Pump-1", "pump-2"]);
      expect(await found({ search: "_%" })).toEqual([]);
      expect(await found({ search: "\u0000", region: "\u0000" })).toEqual([]);
      expect(await found({ search: "p-2", region: "us", type: "pump", flapping: false })).toEqual(["pump-2"]);
    });

    test("numbers are counted by region and type", async () => {
      const port = await opened();
      await fold(
        port,
        ["a", registered({ region: "us", type: "fan" })],
        ["b", registered({ region: "eu" })],
        ["c", registered({ region: "eu" })],
        ["b", cameOnline()],
        ["c", fellSilent(noonMs, true)],
      );
      expect(await port.stats()).toEqual({
        ...{ devices: 3, online: 1, offline: 2, flapping: 1 },
        regions: [
          { region: "eu", devices: 2, online: 1 },
          { region: "us", devices: 1, online: 0 },
        ],
        types: [
          { type: "fan", devices: 1, online: 0 },
          { type: "pump", devices: 2, online: 1 },
        ],
      });
    });

    test("the map shows a device where it measured itself, else where it is registered", async () => {
      const port = await opened();
      const location = { latitude: 1, longitude: 2 };
      await fold(
        port,
        ["a", registered({ location })],
        ["b", registered({ location })],
        ["c", registered({ location: { name: "somewhere", latitude: 5 } })],
        ["b", telemetry(noonMs, { latitude: -3.5, longitude: 4.25, speed: 9 })],
        ["c", telemetry(noonMs, { latitude: 91, longitude: 0 })],
      );
      const b = { id: "b", latitude: -3.5, longitude: 4.25, status: "offline" };
      expect(await port.located(10)).toEqual([{ id: "a", ...location, status: "offline" }, b]);
      expect(await port.located(1)).toHaveLength(1);
    });

    test("pages follow each other without a gap while devices come, go and change", async () => {
      const port = await opened();
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 7 }), fc.infiniteStream(fc.nat(59)), async (limit, picks) => {
          run += 1;
          const name = (number: number) => `run${run}-${String(number).padStart(2, "0")}`;
          const picked = () => name(picks.next().value!);
          const steady = new Set(Array.from({ length: 20 }, (_, index) => name(index * 2)));
          await fold(port, ...[...steady].map((id) => [id, registered()] as const));
          const seen: string[] = [];
          let cursor: string | null = null;
          do {
            const page: Page<{ id: string }> = await port.devices({ search: `run${run}-` }, { cursor, limit });
            seen.push(...ids(page));
            cursor = page.next;
            const gone = picked();
            steady.delete(gone);
            await fold(port, [gone, { kind: "deregistered", atMs: noonMs }]);
            await fold(port, [picked(), registered()], [picked(), cameOnline()]);
          } while (cursor !== null);
          expect(seen).toEqual([...new Set(seen)].sort());
          expect(seen).toEqual(expect.arrayContaining([...steady]));
        }),
        { numRuns: 10, endOnFailure: true },
      );
    });

    test("a cursor that is no cursor, or of another list, is refused", async () => {
      const port = await opened();
      const place = { atMs: noonMs, offset: 1, device: "a", kind: "presence" };
      const event = encodeCursor("event", place);
      const places = [
        encodeCursor("device", "a"),
        "nonsense",
        "",
        "ZXZlbnQ6MQ==",
        encodeCursor("event", "1e3/1/a/presence"),
      ];
      places.push(
        encodeCursor("event", { ...place, offset: -1 }),
        encodeCursor("event", ""),
        encodeCursor("event", "1"),
      );
      for (const cursor of places)
        await expect(port.events({ device: null }, { cursor, limit: 1 })).rejects.toBeInstanceOf(BadCursor);
      for (const cursor of [event, "%", encodeCursor("device", "a\u0000")])
        await expect(port.devices({}, { cursor, limit: 1 })).rejects.toBeInstanceOf(BadCursor);
      await expect(port.commands({ device: null }, { cursor: event, limit: 1 })).rejects.toBeInstanceOf(BadCursor);
    });

    test("events come newest first, of one device or all, by kind, in pages", async () => {
      const port = await opened();
      await fold(
        port,
        ["a", registered()],
        ["b", registered()],
        ["a", cameOnline()],
        ["a", telemetry()],
        ["a", { kind: "seen", atMs: noonMs, why: "heartbeat" }],
        ["a", { kind: "listening", atMs: noonMs, session: "s" }],
        ["b", deadLettered("not-utf8")],
        ["a", fellSilent(noonMs + 1)],
      );
      const offsets = (page: Page<DeviceEvent>) => page.items.map(({ offset }) => offset);
      expect(offsets(await port.events({ device: null }, all))).toEqual([7, 6, 2, 1, 0]);
      expect(offsets(await port.events({ device: "a" }, all))).toEqual([7, 2, 0]);
      expect(offsets(await port.events({ device: null, kinds: ["deadLettered", "registered"] }, all))).toEqual([
        6, 1, 0,
      ]);
      expect(offsets(await port.events({ device: "a", kinds: ["presence", "presence"] }, all))).toEqual([7, 2]);
      expect((await port.events({ device: "b", kinds: ["deadLettered"] }, all)).items).toEqual([
        { offset: 6, device: "b", record: deadLettered("not-utf8") },
      ]);
      const first = await port.events({ device: null }, { cursor: null, limit: 2 });
      await fold(port, ["a", cameOnline()]);
      const second = await port.events({ device: null }, { cursor: first.next, limit: 3 });
      expect([offsets(first), offsets(second), second.next]).toEqual([[7, 6], [2, 1, 0], null]);
    });

    test("a command is listed with its state, progress and result", async () => {
      const port = await opened();
      await fold(port, ["a", requested("c1")], ["a", requested("c2", noonMs + 1)], ["b", requested("c3", noonMs + 2)]);
      await fold(
        port,
        ["a", { kind: "commandMoved", atMs: noonMs + 3, command: "c1", to: "acknowledged", progress: { step: 1 } }],
        ["a", { kind: "commandMoved", atMs: noonMs + 4, command: "c1", to: "acknowledged", progress: { step: 2 } }],
        ["a", { kind: "commandMoved", atMs: noonMs + 5, command: "c1", to: "succeeded", result: "\u0000ok" }],
        ["a", { kind: "commandMoved", atMs: noonMs + 5, command: "unknown", to: "failed" }],
      );
      await fold(port, [
        "a",
        { kind: "commandMoved", atMs: noonMs + 6, command: "c2", to: "rejected", reason: "busy" },
      ]);
      const c1 = await port.command("a", "c1");
      expect(c1).toEqual({
        ...{ command: "c1", device: "a", name: "reboot", parameters: { in: 5 }, state: "succeeded" },
        ...{ createdAtMs: noonMs, updatedAtMs: noonMs + 5, expiresAtMs: null },
        ...{ progress: { step: 2 }, result: "\u0000ok", reason: null },
      });
      const names = async (...[query, page]: Parameters<FleetIndex["commands"]>) =>
        (await port.commands(query, page)).items.map(({ command }) => command);
      expect(await names({ device: null }, all)).toEqual(["c3", "c2", "c1"]);
      expect(await names({ device: "a" }, all)).toEqual(["c2", "c1"]);
      expect(await names({ device: null, state: "queued" }, all)).toEqual(["c3"]);
      expect(await names({ device: "a", state: "rejected" }, all)).toEqual(["c2"]);
      const { next } = await port.commands({ device: null }, { cursor: null, limit: 1 });
      expect(await names({ device: null }, { cursor: next, limit: 1 })).toEqual(["c2"]);
    });

    test("trimming forgets old events and ended commands, never an open command or a count", async () => {
      const port = await opened();
      await fold(
        port,
        ["a", deadLettered("bad-tags", noonMs - 1)],
        ["a", requested("open", noonMs - 1)],
        ["a", requested("ended", noonMs - 1)],
        ["a", { kind: "commandMoved", atMs: noonMs - 1, command: "ended", to: "expired" }],
        ["a", deadLettered("bad-tags", noonMs)],
      );
      await port.trimEvents(noonMs);
      expect(await kinds(port, "a")).toEqual(["deadLettered"]);
      expect((await port.commands({ device: null }, all)).items.map(({ command }) => command)).toEqual(["open"]);
      expect(await port.deadLetterCounts()).toEqual({ "bad-tags": 2 });
    });

    test("however the log is cut into batches, the index is the same", async () => {
      const port = await opened();
      const model = memoryFleetIndex();
      const state = async (index: FleetIndex) => [
        (await index.devices({}, all)).items.map(({ lastSeenMs: _, ...device }) => device),
        ...(await Promise.all([index.stats(), index.located(9), index.deadLetterCounts()])),
        ...(await Promise.all([index.events({ device: null }, all), index.commands({ device: null }, all)])),
      ];
      await fc.assert(
        fc.asyncProperty(fc.array(anyRecord, { maxLength: 20 }), async (batch) => {
          await fold(port, ...batch);
          for (const pair of batch) await fold(model, pair);
          expect(await state(port)).toEqual(await state(model));
        }),
        { numRuns: 50, endOnFailure: true },
      );
    });
  });
}

const anyRecord = fc.tuple(
  fc.constantFrom("a", "b", "c"),
  fc.nat(100_000).chain((ms) => {
    const atMs = noonMs + ms;
    const command = fc.constantFrom("c1", "c2");
    return fc.oneof(
      fc.constant(registered({ region: `r${ms % 3}` }, atMs)),
      fc.constant({ kind: "deregistered" as const, atMs }),
      fc.constantFrom(cameOnline(atMs), fellSilent(atMs, ms % 2 === 0)),
      fc.constant(telemetry(atMs)),
      fc.constantFrom(deadLettered("not-utf8", atMs), deadLettered("bad-tags", atMs)),
      command.map((id) => requested(id, atMs)),
      fc.record({
        ...{ kind: fc.constant("commandMoved" as const), atMs: fc.constant(atMs), command },
        ...{ to: fc.constantFrom("sent" as const, "failed" as const), progress: fc.constantFrom(null, 1, "x") },
      }),
    );
  }),
);

/** Applies the records as the next batch. */
async function fold(port: FleetIndex, ...pairs: Parameters<typeof numbered>[1][number][]): Promise<void> {
  const from = await port.progress();
  await port.apply(numbered(from, pairs), { from, to: from + pairs.length });
}

function ids(page: Page<{ id: string }>): string[] {
  return page.items.map(({ id }) => id);
}

async function kinds(port: FleetIndex, device: string): Promise<string[]> {
  return (await port.events({ device }, all)).items.map(({ record }) => record.kind);
}
