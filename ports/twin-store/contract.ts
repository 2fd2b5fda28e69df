import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { noMetrics, observe } from "../../core/device/metrics.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import type { Checkpoint, TwinStore } from "./port.ts";

export type OpenedTwinStore = {
  readonly store: TwinStore;
  /** Opens the same store anew, as the next process would. */
  readonly reopen: () => Promise<TwinStore>;
  readonly close: () => Promise<void>;
};

/** The promises of `TwinStore` (port.ts) as tests. */
export function twinStoreContract(name: string, open: () => Promise<OpenedTwinStore>): void {
  async function opened(): Promise<OpenedTwinStore> {
    const store = await open();
    onTestFinished(store.close);
    return store;
  }

  describe(`${name} as TwinStore`, () => {
    test("an empty store knows no twin and replays from 0", async () => {
      const { store } = await opened();
      expect(await store.replayFrom()).toBe(0);
      expect(await store.load(["pump-4"])).toEqual(new Map());
      expect(await all(store.ids())).toEqual([]);
      expect(await all(store.deadlines())).toEqual([]);
    });

    test("saved twins come back equal, also to the next process", async () => {
      const { store, reopen } = await opened();
      const saved = [aCheckpoint("pump-4", 7, 1_700_000_000_123), aCheckpoint("pump-5", 9, null)];
      await store.save(saved, 5);
      for (const reader of [store, await reopen()]) {
        const loaded = await reader.load(["pump-5", "nobody", "pump-4"]);
        expect(loaded).toEqual(new Map(saved.map((checkpoint) => [checkpoint.twin.id, checkpoint])));
        expect(await reader.replayFrom()).toBe(5);
      }
    });

    test("a newer checkpoint replaces the stored one, its deadline included", async () => {
      const { store } = await opened();
      await store.save([aCheckpoint("pump-4", 7, 1000)], 0);
      await store.save([aCheckpoint("pump-4", 9, null, 21)], 0);
      expect(await store.load(["pump-4"])).toEqual(new Map([["pump-4", aCheckpoint("pump-4", 9, null, 21)]]));
      expect(await all(store.deadlines())).toEqual([]);
    });

    test("a checkpoint of the same offset replaces the stored one: its deadline may have moved", async () => {
      const { store } = await opened();
      await store.save([aCheckpoint("pump-4", 7, 1000)], 0);
      await store.save([aCheckpoint("pump-4", 7, 2000)], 0);
      expect(await all(store.deadlines())).toEqual([{ id: "pump-4", deadlineMs: 2000 }]);
    });

    test("an older checkpoint changes nothing, and the others of its batch are stored", async () => {
      const { store } = await opened();
      await store.save([aCheckpoint("pump-4", 9, 1000)], 9);
      await store.save([aCheckpoint("pump-4", 7, 5000, 99), aCheckpoint("pump-5", 8, null)], 8);
      expect((await store.load(["pump-4"])).get("pump-4")).toEqual(aCheckpoint("pump-4", 9, 1000));
      expect((await store.load(["pump-5"])).get("pump-5")).toEqual(aCheckpoint("pump-5", 8, null));
      expect(await store.replayFrom()).toBe(9);
    });

    test("of two checkpoints of one twin in a batch the newer one counts, whatever their order", async () => {
      const { store } = await opened();
      const [older, newer] = [aCheckpoint("pump-4", 7, 1000), aCheckpoint("pump-4", 9, 2000, 21)];
      await store.save([newer, older], 0);
      expect((await store.load(["pump-4"])).get("pump-4")).toEqual(newer);
    });

    test("a save without checkpoints moves where a replay begins", async () => {
      const { store } = await opened();
      await store.save([], 12);
      expect(await store.replayFrom()).toBe(12);
    });

    test("ids and deadlines of more twins than a page holds are listed, each once", async () => {
      const { store } = await opened();
      const count = 10_003;
      await store.save(
        Array.from({ length: count }, (_, index) => aCheckpoint(`pump-${index}`, index, index % 2 ? index : null)),
        0,
      );
      expect(new Set(await all(store.ids())).size).toBe(count);
      const deadlines = await all(store.deadlines());
      expect(deadlines).toHaveLength(Math.floor(count / 2));
      expect(new Set(deadlines.map(({ id }) => id)).size).toBe(deadlines.length);
      expect(deadlines.every(({ id, deadlineMs }) => id === `pump-${deadlineMs}` && deadlineMs % 2 === 1)).toBe(true);
    });

    test("a listing that is left early does not hold up what comes after it", async () => {
      const { store } = await opened();
      await store.save([aCheckpoint("pump-4", 1, 1000)], 0);
      for (let round = 0; round < 12; round += 1) {
        for await (const page of store.ids()) {
          expect(page).toEqual(["pump-4"]);
          break;
        }
      }
      await store.save([aCheckpoint("pump-5", 2, null)], 2);
      expect(new Set(await all(store.ids()))).toEqual(new Set(["pump-4", "pump-5"]));
    });

    test("any string in a twin survives: NUL, lone surrogates, newlines, quotes", async () => {
      const { store } = await opened();
      let offset = 0;
      await fc.assert(
        fc.asyncProperty(anyText, anyText, async (name, text) => {
          offset += 1;
          const twin: Twin = {
            ...aTwin("pump-4", offset),
            shadows: { [name]: aShadow({ [text]: text }) },
            metrics: observe(noMetrics, { [name]: text, other: 1.5 }, 1, 2),
          };
          await store.save([{ twin, nextOffset: offset, deadlineMs: null }], 0);
          expect((await store.load(["pump-4"])).get("pump-4")?.twin).toEqual(twin);
        }),
        { numRuns: 30 },
      );
    });
  });
}

function aCheckpoint(id: string, nextOffset: number, deadlineMs: number | null, revision = 3): Checkpoint {
  return { twin: aTwin(id, revision), nextOffset, deadlineMs };
}

function aTwin(id: string, revision: number): Twin {
  return {
    ...newTwin(id),
    revision,
    registration: {
      type: "pump",
      region: "eu",
      location: { latitude: 48.1, longitude: 11.6 },
      tags: { hall: "3" },
      firmwareVersion: null,
      createdAtMs: 1_700_000_000_000,
    },
    lastSeenMs: 1_700_000_000_000,
    shadows: { "": aShadow({ interval: 30 }) },
    metrics: observe(observe(noMetrics, { temperature: 20.5 }, 1, 2), { temperature: 21.5 }, 3, 4),
  };
}

function aShadow(desired: Record<string, string | number>): Twin["shadows"][string] {
  return { kind: "live", version: 1, desired, metadata: {}, updatedAtMs: 1_700_000_000_000 };
}

async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const items: T[] = [];
  for await (const page of pages) items.push(...page);
  return items;
}

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "\udfff\ud800", 'a\n"b"\\', "\\n", "\u2028", "{null}"),
);
