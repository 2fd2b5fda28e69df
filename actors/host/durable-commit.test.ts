import { expect, test } from "vitest";
import { newTwin } from "../../core/device/twin.ts";
import type { TwinWrite } from "../../ports/twin-state/port.ts";
import { DurableCommit } from "./durable-commit.ts";

const aWrite = (device: string): TwinWrite => ({
  twin: newTwin(device),
  revision: 0,
  receipts: [],
  deadlineMs: null,
  records: [],
});

/** A store that answers when the test says so. */
function aStore() {
  const commits: { readonly writes: readonly TwinWrite[]; done(): void }[] = [];
  const commit = new DurableCommit({
    store: {
      commit: (writes) =>
        new Promise((resolve) => commits.push({ writes, done: () => resolve(writes.map(() => "committed" as const)) })),
    },
    flushMs: 0,
    maxWrites: 100,
    concurrency: 3,
    observe: () => {},
  });
  const sizes = () => commits.map(({ writes }) => writes.length);
  const moment = () => new Promise((resolve) => setTimeout(resolve, 5));
  const add = (count: number) => Array.from({ length: count }, (_, index) => commit.add(aWrite(`pump-${index}`)));
  return { commit, commits, sizes, moment, add };
}

test("writes that come while a commit is under way share the next one", async () => {
  const { commits, sizes, moment, add } = aStore();
  const first = add(2);
  await moment();
  const second = [...add(3), ...add(4)];
  await moment();
  expect(sizes()).toEqual([2]);
  commits[0]!.done();
  expect(await Promise.all(first)).toEqual(["committed", "committed"]);
  await moment();
  expect(sizes()).toEqual([2, 7]);
  commits[1]!.done();
  await Promise.all(second);
});

test("when many wait, commits run side by side, as many as are allowed", async () => {
  const { commits, sizes, moment, add } = aStore();
  const all = [...add(100), ...add(100), ...add(100), ...add(100)];
  await moment();
  expect(sizes()).toEqual([100, 100, 100]);
  for (const { done } of commits) done();
  await moment();
  expect(sizes()).toEqual([100, 100, 100, 100]);
  commits[3]!.done();
  await Promise.all(all);
});
