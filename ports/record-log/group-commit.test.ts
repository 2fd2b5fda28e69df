import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type GroupCommitOptions, openGroupCommit } from "./group-commit.ts";
import { LogAway } from "./port.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

const defaults: Omit<GroupCommitOptions<string>, "send"> = {
  weigh: (message) => message.length,
  maxMessages: 4,
  maxWeight: 10,
  lingerMs: 2,
  awayAfterMs: 1_000,
  backOff: { firstMs: 10, maxMs: 100 },
  onTrouble: () => {},
};

test("calls that come together share a request, and those that come while it is under way share the next", async () => {
  const sent: string[][] = [];
  const answers: (() => void)[] = [];
  const send = (messages: readonly string[]) =>
    new Promise<void>((resolve) => {
      sent.push([...messages]);
      answers.push(resolve);
    });
  const commit = openGroupCommit({ ...defaults, send });
  const first = [commit.add(["a"]), commit.add(["b"])];
  await vi.advanceTimersByTimeAsync(2);
  const second = [commit.add(["c"]), commit.add([]), commit.add(["d"])];
  expect(sent).toEqual([["a", "b"]]);
  answers[0]!();
  await Promise.all(first);
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  answers[1]!();
  await Promise.all(second);
});

test("a request stays below its limits, and a heavy message goes alone", async () => {
  const sent: string[][] = [];
  const commit = openGroupCommit({ ...defaults, send: async (messages) => void sent.push([...messages]) });
  const done = commit.add(["1", "2", "3", "4", "5", "heavier than ten", "6", "777777777", "8"]);
  await vi.advanceTimersByTimeAsync(10);
  await done;
  expect(sent).toEqual([["1", "2", "3", "4"], ["5"], ["heavier than ten"], ["6", "777777777"], ["8"]]);
});

test("whatever fails, messages arrive in the order of their calls once repetitions are dropped", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.constantFrom("well", "lost", "stored"), { maxLength: 20 }),
      async (sizes, fates) => {
        const log: string[] = [];
        let attempt = 0;
        const commit = openGroupCommit({
          ...defaults,
          awayAfterMs: 1e6,
          async send(messages) {
            const fate = fates[attempt++] ?? "well";
            if (fate !== "lost") log.push(...messages);
            if (fate !== "well") throw new Error(fate);
          },
        });
        let number = 0;
        const calls = sizes.map((size) => commit.add(Array.from({ length: size }, () => `${number++}`)));
        await vi.advanceTimersByTimeAsync(10_000);
        await Promise.all(calls);
        expect([...new Set(log)]).toEqual(Array.from({ length: number }, (_, index) => `${index}`));
      },
    ),
    { numRuns: 50 },
  );
});

test("when the oldest call has waited too long every call fails as LogAway, and later ones are tried again", async () => {
  let isAway = true;
  const troubles: string[] = [];
  const send = async () => {
    if (isAway) throw new Error("no broker");
  };
  const commit = openGroupCommit({ ...defaults, send, onTrouble: (error) => troubles.push(error.message) });
  const first = commit.add(["a"]).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(900);
  const second = commit.add(["b"]).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(200);
  for (const call of [first, second]) {
    const failure = await call;
    expect(failure).toBeInstanceOf(LogAway);
    expect(failure).toMatchObject({ code: "LOG_AWAY", retry: "later", cause: new Error("no broker") });
  }
  expect(new Set(troubles)).toEqual(new Set(["no broker"]));
  const third = commit.add(["c"]);
  isAway = false;
  await vi.advanceTimersByTimeAsync(200);
  await third;
});

test("a request that hangs is given up with its calls, and does not hold up later ones", async () => {
  const cuts: AbortSignal[] = [];
  const send = (_: readonly string[], cut: AbortSignal) => {
    cuts.push(cut);
    return cuts.length === 1 ? new Promise<void>(() => {}) : Promise.resolve();
  };
  const commit = openGroupCommit({ ...defaults, send });
  const first = commit.add(["a"]).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1_001);
  expect(await first).toBeInstanceOf(LogAway);
  expect(cuts[0]!.aborted).toBe(true);
  const second = commit.add(["b"]);
  await vi.advanceTimersByTimeAsync(10);
  await second;
});

test("after a final error every call is refused with it", async () => {
  const final = new Error("broken");
  const commit = openGroupCommit({ ...defaults, send: () => Promise.reject(final), isFinal: () => true });
  const first = commit.add(["a"]).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(10);
  expect(await first).toBe(final);
  await expect(commit.add(["b"])).rejects.toBe(final);
});

test("closing waits for what was given before, and refuses the rest", async () => {
  const sent: string[] = [];
  const commit = openGroupCommit({ ...defaults, send: async (messages) => void sent.push(...messages) });
  const before = commit.add(["a"]);
  const closed = commit.close();
  await expect(commit.add(["b"])).rejects.toThrow("The log was closed");
  await vi.advanceTimersByTimeAsync(10);
  await Promise.all([before, closed]);
  expect(sent).toEqual(["a"]);
});

test("a call made when another was just answered is sent, too", async () => {
  const commit = openGroupCommit({ ...defaults, lingerMs: 0, send: async () => {} });
  for (let round = 0; round < 20; round += 1) await commit.add([`${round}`]);
});
