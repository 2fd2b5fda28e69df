import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { emptyWindow, remember } from "../../core/device/dedup-window.ts";
import { noMetrics, observe } from "../../core/device/metrics.ts";
import { newTwin } from "../../core/device/twin.ts";
import type { SoftStateStore, SoftTwin } from "./port.ts";

export type OpenedSoftState = {
  readonly store: SoftStateStore;
  /** Opens the same storage anew, as another host would. */
  readonly reopen: () => Promise<SoftStateStore>;
  /** The storage stops to answer. */
  readonly goAway: () => Promise<void>;
  /** It answers again, with or without what it held; resolves when the store that was opened first has noticed. */
  readonly comeBack: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The promises of `SoftStateStore` (port.ts) as tests. */
export function softStateContract(name: string, open: () => Promise<OpenedSoftState>): void {
  async function opened(): Promise<OpenedSoftState> {
    const storage = await open();
    onTestFinished(storage.close);
    return storage;
  }

  describe(`${name} as SoftStateStore`, () => {
    test("an empty store has nothing, and is not away", async () => {
      const { store } = await opened();
      expect(await store.load(["pump-4"])).toEqual(new Map());
      expect(await store.load([])).toEqual(new Map());
      expect(await store.save([])).toBe(0);
      expect(store.away).toBeNull();
    });

    test("what was saved last is loaded, also by another host", async () => {
      const { store, reopen } = await opened();
      expect(await store.save([aSoftTwin("pump-4", 7), aSoftTwin("pump-5", 0)])).toBe(2);
      expect(await store.save([aSoftTwin("pump-4", 8, 22)])).toBe(1);
      const other = await reopen();
      onTestFinished(() => other.close());
      expect(await other.load(["pump-5", "nobody", "pump-4"])).toEqual(
        new Map([
          ["pump-4", aSoftTwin("pump-4", 8, 22)],
          ["pump-5", aSoftTwin("pump-5", 0)],
        ]),
      );
    });

    test("thousands of twins are saved and loaded in one call", async () => {
      const { store } = await opened();
      const twins = Array.from({ length: 2_001 }, (_, index) => aSoftTwin(`pump-${index}`, index));
      expect(await store.save(twins)).toBe(2_001);
      const loaded = await store.load(twins.slice(0, 700).map(({ twin }) => twin.id));
      expect([...loaded.values()]).toEqual(twins.slice(0, 700));
    });

    test("any string in a twin survives: NUL, lone surrogates, newlines, quotes", async () => {
      const { store } = await opened();
      await fc.assert(
        fc.asyncProperty(anyText, anyText, fc.nat(), async (one, two, revision) => {
          const twin = {
            ...newTwin("pump-4"),
            revision,
            metrics: observe(noMetrics, { [one]: two, other: 1.5 }, 1, 2),
          };
          await store.save([{ twin, revision }]);
          expect((await store.load(["pump-4"])).get("pump-4")).toEqual({ twin, revision });
        }),
        { numRuns: 30 },
      );
    });

    test("a storage that is away costs what it held, never an error; when it is back, all goes on", async () => {
      const { store, goAway, comeBack } = await opened();
      await store.save([aSoftTwin("pump-4", 7)]);
      await goAway();
      for (let round = 0; round < 3; round += 1) {
        expect(await store.load(["pump-4"])).toEqual(new Map());
        expect(await store.save([aSoftTwin("pump-4", 8)])).toBe(0);
        expect(store.away).toMatch(/./);
      }
      await comeBack();
      expect(await store.save([aSoftTwin("pump-4", 9)])).toBe(1);
      expect(store.away).toBeNull();
      expect(await store.load(["pump-4"])).toEqual(new Map([["pump-4", aSoftTwin("pump-4", 9)]]));
    });
  });
}

export function aSoftTwin(id: string, revision: number, temperature = 20.5): SoftTwin {
  const twin = {
    ...newTwin(id),
    revision: revision + 3,
    lastSeenMs: 1_700_000_000_000,
    dedup: remember(emptyWindow, { kind: "sequence", boot: "a", seq: 7 }),
    metrics: observe(noMetrics, { temperature }, 1, 2),
  };
  return { twin, revision };
}

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "\udfff\ud800", 'a\n"b"\\', "\\n", "\u2028", "{null}"),
);
