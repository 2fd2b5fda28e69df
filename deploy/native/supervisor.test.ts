import fc from "fast-check";
import { expect, test } from "vitest";
import type { ProcessExit } from "./process.ts";
import { type Handle, Supervised } from "./supervisor.ts";

/** Processes that exist only here, and a clock that a test moves. */
function world() {
  const said: string[] = [];
  const timers: (() => void)[] = [];
  const pausesMs: number[] = [];
  const alive = new Map<number, () => void>();
  let pids = 0;
  let failures = 0;
  const signals: string[] = [];
  const start = async (): Promise<Handle> => {
    if (failures > 0) {
      failures -= 1;
      throw new Error("no port is free\nand more");
    }
    const pid = ++pids;
    const exited = Promise.withResolvers<ProcessExit>();
    alive.set(pid, () => {
      alive.delete(pid);
      exited.resolve({ code: null, signal: "SIGKILL" });
    });
    const end = async () => alive.get(pid)?.();
    const sign = (signal: string) => () => void signals.push(`${signal} ${pid}`);
    return { pid, exited: exited.promise, stop: end, kill: end, pause: sign("STOP"), resume: sign("CONT") };
  };
  const process = new Supervised({
    name: "actors-1",
    start,
    say: (line) => said.push(line),
    after: (ms, act) => {
      pausesMs.push(ms);
      timers.push(act);
    },
  });
  return {
    process,
    said,
    signals,
    alive,
    fail: (times: number) => (failures = times),
    dies: async () => {
      for (const end of [...alive.values()]) end();
      await settled();
    },
    secondPasses: async () => {
      for (const act of timers.splice(0)) act();
      await settled();
    },
    timers,
    pausesMs,
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a process that dies comes back after a second", async () => {
  const { process, dies, secondPasses, said } = world();
  await process.start();
  expect(process.status()).toEqual({ name: "actors-1", state: "running", pid: 1, restarts: 0 });
  await dies();
  expect(process.status()).toMatchObject({ state: "waiting", pid: null });
  await secondPasses();
  expect(process.status()).toMatchObject({ state: "running", pid: 2, restarts: 1 });
  expect(said).toEqual(["actors-1 ended by itself; starting it again.", "actors-1 is back."]);
});

test("a crash on purpose heals in the same way", async () => {
  const { process, secondPasses } = world();
  await process.start();
  await process.crash();
  await secondPasses();
  expect(process.status()).toMatchObject({ state: "running", pid: 2 });
});

test.each(["stop", "kill"] as const)("after %s it stays down until it is started", async (verb) => {
  const { process, timers, alive } = world();
  await process.start();
  await process[verb]();
  await settled();
  expect(process.status()).toMatchObject({ state: "stopped", pid: null });
  expect([timers.length, alive.size]).toEqual([0, 0]);
  await process.start();
  expect(process.status()).toMatchObject({ state: "running", pid: 2, restarts: 0 });
});

test("who is stopped while it waits for its restart stays down", async () => {
  const { process, dies, secondPasses } = world();
  await process.start();
  await dies();
  await process.stop();
  await secondPasses();
  expect(process.status()).toMatchObject({ state: "stopped", pid: null });
});

test("a restart that fails is tried again, and said", async () => {
  const { process, dies, secondPasses, said, fail } = world();
  await process.start();
  fail(2);
  await dies();
  await secondPasses();
  await secondPasses();
  expect(process.status().state).toBe("waiting");
  await secondPasses();
  expect(process.status()).toMatchObject({ state: "running", pid: 2 });
  expect(said).toContain("actors-1 does not start: no port is free");
});

test("a process that does not start is left alone for longer and longer", async () => {
  const { process, dies, secondPasses, fail, pausesMs } = world();
  await process.start();
  fail(6);
  await dies();
  for (let time = 0; time < 7; time += 1) await secondPasses();
  expect(process.status().state).toBe("running");
  expect(pausesMs).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  await dies();
  expect(pausesMs.at(-1)).toBe(1_000);
});

test("a first start that fails says why, and nothing is tried behind the caller's back", async () => {
  const { process, timers, fail } = world();
  fail(1);
  await expect(process.start()).rejects.toThrow("no port is free");
  expect(timers).toEqual([]);
  expect(process.status().state).toBe("stopped");
});

test("a paused process is not taken for a dead one", async () => {
  const { process, signals } = world();
  await process.start();
  await process.pause();
  expect(process.status()).toMatchObject({ state: "paused", pid: 1 });
  await process.resume();
  expect(process.status()).toMatchObject({ state: "running", pid: 1 });
  expect(signals).toEqual(["STOP 1", "CONT 1"]);
});

test("whatever is asked in whatever order, there is at most one process, and none when it was stopped last", async () => {
  const verbs = ["start", "stop", "kill", "crash", "pause", "resume", "restart", "dies", "second"] as const;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...verbs), { maxLength: 25 }), async (asked) => {
      const { process, dies, secondPasses, alive } = world();
      for (const verb of asked) {
        if (verb === "dies") await dies();
        else if (verb === "second") await secondPasses();
        else process[verb]().catch(() => {});
        expect(alive.size).toBeLessThanOrEqual(1);
      }
      await process.stop();
      await secondPasses();
      expect(alive.size).toBe(0);
      expect(process.status()).toMatchObject({ state: "stopped", pid: null });
    }),
    { numRuns: 200 },
  );
});
