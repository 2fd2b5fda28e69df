import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { emptyWindow, remember } from "../../core/device/dedup-window.ts";
import { noMetrics, observe } from "../../core/device/metrics.ts";
import type { TurnReceipt } from "../../core/device/receipts.ts";
import type { TwinRecord } from "../../core/device/records.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import type { PublishableRecord } from "../record-log/port.ts";
import { shardOf, type TwinState, type TwinStateStore, type TwinWrite } from "./port.ts";

export type OpenedTwinStates = {
  /** What the implementation is: the contract checks that it says so, and that it keeps to it. */
  readonly fenced: boolean;
  readonly sweepable: boolean;
  /** Opens the same store for a host, as its process would. */
  readonly openFor: (host: string) => Promise<TwinStateStore>;
  /** What the hosts' clocks show, epoch ms. Moved by hand. */
  readonly clock: { nowMs: number };
  /** Puts a text that is no twin in place of the stored one. */
  readonly spoil: (device: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The promises of `TwinStateStore` (port.ts) as tests. */
export function twinStateContract(name: string, open: () => Promise<OpenedTwinStates>): void {
  async function opened() {
    const database = await open();
    onTestFinished(database.close);
    const [first, second] = [await database.openFor("host-1"), await database.openFor("host-2")];
    return { ...database, first, second };
  }

  describe(`${name} as TwinStateStore`, () => {
    test("an empty store knows no twin, and nothing to do", async () => {
      const { first, fenced, sweepable } = await opened();
      expect({ fenced: first.fenced, sweepable: first.sweepable }).toEqual({ fenced, sweepable });
      expect(await first.load(["pump-4"])).toEqual(new Map());
      expect(await first.load([])).toEqual(new Map());
      expect(await first.commit([])).toEqual([]);
      await first.published([aRecord("pump-4", "d1.0")]);
      await first.adopt(["pump-4"]);
      await first.release(["pump-4"]);
    });

    test("what one host commits, the next one loads: twin, revision, receipts and unpublished records", async () => {
      const { first, second } = await opened();
      const records = [aRecord("pump-4", "d1.0"), aRecord("pump-4", "d1.1")];
      const writes = [aWrite("pump-4", 0, { receipts: someReceipts, records }), aWrite("pump-5", 0)];
      expect(await first.commit(writes)).toEqual(["committed", "committed"]);
      expect(await second.load(["pump-5", "nobody", "pump-4"])).toEqual(
        new Map<string, TwinState>([
          ["pump-4", { twin: aTwin("pump-4", 0), revision: 1, receipts: someReceipts, unpublished: records }],
          ["pump-5", { twin: aTwin("pump-5", 0), revision: 1, receipts: [], unpublished: [] }],
        ]),
      );
    });

    test("a commit replaces state and receipts, and adds to the unpublished records", async () => {
      const { first } = await opened();
      const [one, two] = [aRecord("pump-4", "d1.0"), aRecord("pump-4", "d2.0")];
      await first.commit([aWrite("pump-4", 0, { receipts: someReceipts, records: [one] })]);
      expect(await first.commit([aWrite("pump-4", 1, { records: [two] })])).toEqual(["committed"]);
      expect(await first.load(["pump-4"])).toEqual(
        new Map([["pump-4", { twin: aTwin("pump-4", 1), revision: 2, receipts: [], unpublished: [one, two] }]]),
      );
    });

    test("a write from a stale revision changes nothing, and the others of its call are written", async () => {
      const { first, second, fenced } = await opened();
      if (!fenced) return;
      await first.commit([aWrite("pump-4", 0), aWrite("pump-5", 0)]);
      await first.commit([aWrite("pump-4", 1)]);
      for (const stale of [0, 1, 3]) {
        const outcomes = await second.commit([
          aWrite("pump-6", stale),
          aWrite("pump-4", stale, { twin: aTwin("pump-4", 99), records: [aRecord("pump-4", `d${stale}.9`)] }),
        ]);
        expect(outcomes[1]).toBe("stale");
        expect(await first.load(["pump-4"])).toEqual(
          new Map([["pump-4", { twin: aTwin("pump-4", 1), revision: 2, receipts: [], unpublished: [] }]]),
        );
      }
      expect((await first.load(["pump-6"])).get("pump-6")).toMatchObject({ revision: 2 });
    });

    test("a twin that the store has lost is written at whatever revision its host has it", async () => {
      const { first } = await opened();
      expect(await first.commit([aWrite("pump-4", 7)])).toEqual(["committed"]);
      expect((await first.load(["pump-4"])).get("pump-4")).toMatchObject({ revision: 8 });
    });

    test("five hundred twins are committed and loaded in one call", async () => {
      const { first, second } = await opened();
      const devices = Array.from({ length: 500 }, (_, index) => `pump-${index}`);
      const writes = devices.map((device) => aWrite(device, 0, { records: [aRecord(device, "d1.0")] }));
      expect(new Set(await first.commit(writes))).toEqual(new Set(["committed"]));
      const loaded = await second.load(devices);
      expect(loaded.size).toBe(500);
      for (const { twin, records } of writes) {
        expect(loaded.get(twin.id)).toEqual({ twin, revision: 1, receipts: [], unpublished: records });
      }
    });

    test("a record stays unpublished until it is named, also when its host is gone", async () => {
      const { first, second, openFor } = await opened();
      const records = ["d1.0", "d1.1", "d1.2"].map((id) => aRecord("pump-4", id));
      await first.commit([
        aWrite("pump-4", 0, { records }),
        aWrite("pump-5", 0, { records: [aRecord("pump-5", "d1.1")] }),
      ]);
      await second.published([records[1]!, aRecord("pump-4", "d9.9"), aRecord("nobody", "d1.0")]);
      const third = await openFor("host-3");
      expect(unpublishedIn(await third.load(["pump-4", "pump-5"]))).toEqual([
        ["pump-4", "d1.0"],
        ["pump-4", "d1.2"],
        ["pump-5", "d1.1"],
      ]);
      await third.published([...records, ...records]);
      expect(unpublishedIn(await third.load(["pump-4", "pump-5"]))).toEqual([["pump-5", "d1.1"]]);
      expect(await first.commit([aWrite("pump-4", 1, { records: [aRecord("pump-4", "d2.0")] })])).toEqual([
        "committed",
      ]);
      expect(unpublishedIn(await third.load(["pump-4"]))).toEqual([["pump-4", "d2.0"]]);
    });

    test("a state that cannot be read is said to be, and the other devices are loaded", async () => {
      const { first, spoil } = await opened();
      await first.commit([aWrite("pump-4", 0), aWrite("pump-5", 0)]);
      await spoil("pump-4");
      const loaded = await first.load(["pump-4", "pump-5"]);
      expect(loaded.get("pump-4")).toEqual({ unreadable: expect.stringMatching(/./) });
      expect(loaded.get("pump-5")).toMatchObject({ revision: 1 });
    });

    test("any string in a twin, a receipt or a record survives: NUL, lone surrogates, newlines, quotes", async () => {
      const { first } = await opened();
      let revision = 0;
      await fc.assert(
        fc.asyncProperty(anyText, anyText, async (one, two) => {
          const twin: Twin = {
            ...aTwin("pump-4", revision),
            shadows: { [one]: { kind: "live", version: 1, desired: { [two]: two }, metadata: {}, updatedAtMs: 3 } },
            metrics: observe(noMetrics, { [one]: two, other: 1.5 }, 1, 2),
          };
          const record = aRecord("pump-4", `d${revision + 1}.0`, one);
          const receipts: TurnReceipt[] = [{ turn: one, digest: 1, reply: { kind: "conflict", detail: two }, atMs: 5 }];
          const write = { twin, revision, receipts, deadlineMs: null, records: [record] };
          expect(await first.commit([write])).toEqual(["committed"]);
          revision += 1;
          expect(await first.load(["pump-4"])).toEqual(
            new Map([["pump-4", { twin, revision, receipts, unpublished: [record] }]]),
          );
          await first.published([record]);
        }),
        { numRuns: 20 },
      );
    });

    test("hosts that both write the same twins at once lose nothing, and never wait for each other in a circle", async () => {
      const { first, second, fenced } = await opened();
      if (!fenced) return;
      const committed = new Map<string, number>();
      const turns = fc.sample(fc.array(fc.shuffledSubarray(fleet, { minLength: 6 }), { minLength: 12 }), {
        numRuns: 1,
        seed: 4,
      })[0]!;
      await Promise.all(
        [first, second].map(async (store, host) => {
          for (const [turn, devices] of turns.entries()) {
            const order = host === 0 ? devices : devices.toReversed();
            const states = await store.load(order);
            const outcomes = await store.commit(
              order.map((device) => {
                const revision = revisionIn(states, device);
                return aWrite(device, revision, { records: [aRecord(device, `d${revision + 1}.${host}.${turn}`)] });
              }),
            );
            for (const [place, outcome] of outcomes.entries()) {
              const device = order[place]!;
              if (outcome === "committed") committed.set(device, (committed.get(device) ?? 0) + 1);
            }
          }
        }),
      );
      const states = await first.load(fleet);
      for (const device of fleet) {
        expect(revisionIn(states, device)).toBe(committed.get(device) ?? 0);
        const ids = unpublishedIn(new Map([[device, states.get(device)!]])).map(([, id]) => id.split(".")[0]);
        expect(ids).toEqual(Array.from({ length: committed.get(device) ?? 0 }, (_, index) => `d${index + 1}`));
      }
    });

    test("what a host has left unpublished is found by its age, the oldest first", async () => {
      const { first, second, clock, sweepable } = await opened();
      if (!sweepable) return refusesToSweep(second);
      for (let turn = 0; turn < 3; turn += 1) {
        clock.nowMs = 1_000 + turn;
        const records = ["pump-4", "pump-5"].map((device) => aRecord(device, `d${turn + 1}.0`));
        await first.commit(records.map((record) => aWrite(record.device, turn, { records: [record] })));
      }
      expect(await second.abandoned(1_000, 10)).toEqual([]);
      expect((await second.abandoned(1_002, 10)).map(({ id }) => id)).toEqual(["d1.0", "d1.0", "d2.0", "d2.0"]);
      const oldest = await second.abandoned(9_999, 3);
      expect(oldest.map(({ id }) => id)).toEqual(["d1.0", "d1.0", "d2.0"]);
      expect(oldest[0]).toEqual(aRecord(oldest[0]!.device, "d1.0"));
      await second.published(oldest);
      expect((await second.abandoned(9_999, 10)).map(({ id }) => id)).toEqual(["d2.0", "d3.0", "d3.0"]);
    });

    test("a passed deadline is told when its twin's host is dead, or when nobody has the twin", async () => {
      const { first, second, sweepable } = await opened();
      if (!sweepable) return refusesToSweep(first);
      await first.commit([
        aWrite("pump-4", 0, { deadlineMs: 1_000 }),
        aWrite("pump-5", 0, { deadlineMs: 2_000 }),
        aWrite("pump-6", 0),
      ]);
      const at = (nowMs: number, ...alive: string[]) => overdueIn(second, nowMs, alive);
      expect(await at(5_000, "host-1", "host-2")).toEqual([]);
      expect(await at(999)).toEqual([]);
      expect(await at(1_000, "host-2")).toEqual(["pump-4"]);
      expect(await at(5_000, "host-2")).toEqual(["pump-4", "pump-5"]);
      expect(await at(5_000, "host-1")).toEqual([]);
      await second.adopt(["pump-4", "nobody"]);
      expect(await at(5_000, "host-2")).toEqual(["pump-5"]);
      expect(await at(5_000, "host-1")).toEqual(["pump-4"]);
      await first.release(["pump-4", "pump-5"]); // pump-4 is not its any more
      expect(await at(5_000, "host-1", "host-2")).toEqual(["pump-5"]);
      expect(await at(5_000)).toEqual(["pump-4", "pump-5"]);
    });

    test("a commit makes the twin its host's, with the deadline that it names", async () => {
      const { first, second, sweepable } = await opened();
      if (!sweepable) return;
      await first.commit([aWrite("pump-4", 0, { deadlineMs: 1_000 })]);
      expect(await overdueIn(second, 5_000, [])).toEqual(["pump-4"]);
      await first.release(["pump-4"]);
      await second.commit([aWrite("pump-4", 1, { deadlineMs: 3_000 })]);
      expect(await overdueIn(first, 5_000, ["host-2"])).toEqual([]);
      expect(await overdueIn(first, 2_999, ["host-1"])).toEqual([]);
      expect(await overdueIn(first, 3_000, ["host-1"])).toEqual(["pump-4"]);
      await second.commit([aWrite("pump-4", 2)]);
      expect(await overdueIn(first, 5_000, [])).toEqual([]);
    });

    test("shards divide the passed deadlines: each is told in exactly one of them", async () => {
      const { first, second, sweepable } = await opened();
      if (!sweepable) return;
      await first.commit(fleet.map((device) => aWrite(device, 0, { deadlineMs: 1_000 })));
      await first.release(fleet.slice(0, 10));
      for (const shards of [1, 8, 64]) {
        const told: string[] = [];
        for (let shard = 0; shard < shards; shard += 1) {
          const devices = await second.overdue({ shard, shards, alive: [], nowMs: 1_000, limit: 100 });
          expect(devices.every((device) => shardOf(device, shards) === shard)).toBe(true);
          told.push(...devices);
        }
        expect(told.toSorted()).toEqual(fleet.toSorted());
      }
      expect(await second.overdue({ shard: 0, shards: 1, alive: [], nowMs: 1_000, limit: 5 })).toHaveLength(5);
      await expect(second.overdue({ shard: 0, shards: 3, alive: [], nowMs: 0, limit: 1 })).rejects.toThrow("divisor");
    });
  });
}

const fleet = Array.from({ length: 24 }, (_, index) => `pump-${index}`);

async function refusesToSweep(store: TwinStateStore): Promise<void> {
  await expect(store.abandoned(9_999, 1)).rejects.toMatchObject({ code: "NOT_SWEEPABLE" });
  await expect(overdueIn(store, 9_999, [])).rejects.toMatchObject({ code: "NOT_SWEEPABLE" });
}

async function overdueIn(store: TwinStateStore, nowMs: number, alive: readonly string[]): Promise<string[]> {
  return (await store.overdue({ shard: 0, shards: 1, alive, nowMs, limit: 100 })).toSorted();
}

function revisionIn(states: Awaited<ReturnType<TwinStateStore["load"]>>, device: string): number {
  const state = states.get(device);
  if (state === undefined) return 0;
  if ("unreadable" in state) throw new Error(state.unreadable);
  return state.revision;
}

function unpublishedIn(states: Awaited<ReturnType<TwinStateStore["load"]>>): [string, string][] {
  return [...states]
    .toSorted()
    .flatMap(([, state]) => ("unreadable" in state ? [] : state.unpublished))
    .map(({ device, id }) => [device, id]);
}

/** A turn that leaves the twin at twin-revision `revision`, whatever the stored one is. */
export function aWrite(device: string, revision: number, changes: Partial<TwinWrite> = {}): TwinWrite {
  return { twin: aTwin(device, revision), revision, receipts: [], deadlineMs: null, records: [], ...changes };
}

export function aTwin(id: string, revision: number): Twin {
  return {
    ...newTwin(id),
    revision,
    lastSeenMs: 1_700_000_000_000,
    shadows: {
      "": { kind: "live", version: 1, desired: { interval: 30 }, metadata: {}, updatedAtMs: 1_700_000_000_000 },
    },
    dedup: remember(emptyWindow, { kind: "sequence", boot: "a", seq: 7 }),
    metrics: observe(observe(noMetrics, { temperature: 20.5 }, 1, 2), { temperature: 21.5 }, 3, 4),
  };
}

export function aRecord(device: string, id: string, result: string = "warm"): PublishableRecord {
  const record: TwinRecord = { kind: "commandMoved", atMs: 12, command: "c-1", to: "succeeded", result };
  return { id, device, record };
}

const someReceipts: readonly TurnReceipt[] = [
  { turn: "t-1", digest: 2 ** 52 + 1, reply: { kind: "done" }, atMs: 1_795_262_400_000 },
  { turn: "t-2", digest: 0, reply: null, atMs: 0 },
  { turn: "t-3", digest: 7, reply: { kind: "command", command: "c-1", state: "queued" }, atMs: 3 },
];

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "\udfff\ud800", 'a\n"b"\\', "\\n", "\u2028", "{null}"),
);
