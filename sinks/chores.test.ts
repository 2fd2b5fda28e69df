import { expect, onTestFinished, test, vi } from "vitest";
import { askProbe } from "../ports/http-health/routes.ts";
import { runFirstChores, startChores } from "./chores.ts";
import type { Chore, SinkTarget } from "./target.ts";

test("a chore that fails is told, is tried again, and holds up no other", async () => {
  const done: string[] = [];
  let broken = true;
  const told: string[] = [];
  const chores = startChores(
    [
      sink("timeseries", [
        { name: "retention", everyMs: 2, run: async () => (broken ? Promise.reject(new Error("planted")) : undefined) },
        { name: "aggregates", everyMs: 2, run: async () => void done.push("aggregates") },
      ]),
    ],
    { now: () => 7, onTrouble: (what, error) => told.push(`${what}: ${error.message}`), retryMs: 1 },
  );
  onTestFinished(() => chores.stop());
  await vi.waitFor(() => expect(told.length).toBeGreaterThan(1));
  expect(told[0]).toBe("timeseries retention failed and is tried again: planted");
  const answers = async () => Promise.all(chores.probes.map(async (probe) => (await askProbe(probe)).ok));
  expect(await answers()).toEqual([false, true]);
  expect(done.length).toBeGreaterThan(0);
  broken = false;
  await vi.waitFor(async () => expect(await answers()).toEqual([true, true]));
});

test("stopping waits for the chore under way", async () => {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  let ended = false;
  const run = async () => {
    begun.resolve();
    await end.promise;
    ended = true;
  };
  const chores = startChores([sink("archive", [{ name: "compaction", everyMs: 1, run }])], {
    now: () => 7,
    onTrouble: () => {},
  });
  await begun.promise;
  const stopped = chores.stop();
  end.resolve();
  await stopped;
  expect(ended).toBe(true);
});

test("what has to be done before the first record is done once, in order", async () => {
  const done: string[] = [];
  const chore = (name: string, first: boolean): Chore => ({
    name,
    first,
    everyMs: 60_000,
    run: async (nowMs) => void done.push(`${name} ${nowMs}`),
  });
  await runFirstChores(
    [sink("a", [chore("one", true), chore("two", false)]), sink("b", [chore("three", true)])],
    () => 7,
  );
  expect(done).toEqual(["one 7", "three 7"]);
});

function sink(name: string, chores: readonly Chore[]): SinkTarget {
  return {
    name,
    topics: [],
    chores,
    progress: async () => 0,
    progressIn: async () => null,
    commit: async () => {},
    weigh: () => 0,
  };
}
