import { expect, test } from "vitest";
import { StaleProgress } from "../ports/time-series/port.ts";
import { CircuitOpen } from "./breaker.ts";
import type { Consumer, Step } from "./consumer.ts";
import { pauseAfter, runLoop } from "./loop.ts";

const times = { pollMs: 1_000, lingerMs: 200, backOffMs: 250, maxBackOffMs: 15_000 };

test("it hurries while there is more, gathers after a small step, and backs off from failures", () => {
  expect(pauseAfter({ kind: "advanced", full: true }, times)).toBe(0);
  expect(pauseAfter({ kind: "advanced", full: false }, times)).toBe(200);
  const failure = (count: number, error = new Error("x")): Step & { kind: "failed" } => ({
    kind: "failed",
    error,
    times: count,
  });
  expect([1, 2, 3, 8, 5_000].map((count) => pauseAfter(failure(count), times))).toEqual([
    250, 500, 1_000, 15_000, 15_000,
  ]);
  expect(pauseAfter(failure(1, new StaleProgress("x")), times)).toBe(0);
  // Not longer than the circuit is open, and not without a pause while another one tries.
  expect([4_000, 60_000, 0].map((leftMs) => pauseAfter(failure(9, new CircuitOpen(leftMs)), times))).toEqual([
    4_000, 15_000, 250,
  ]);
  expect(pauseAfter(failure(2, new StaleProgress("x")), times)).toBe(500);
});

test("an idle consumer steps again at a signal, and not after it was stopped", async () => {
  const { consumer, stepped, steps } = aConsumer(() => ({ kind: "idle" }));
  const loop = runLoop(consumer, { times, wait: untilCut });
  await stepped(1);
  loop.signal();
  await stepped(2);
  await loop.stop();
  loop.signal();
  expect(steps()).toBe(2);
});

test("a signal that comes during a step is not lost", async () => {
  let loop: ReturnType<typeof runLoop> | null = null;
  const { consumer, stepped } = aConsumer((count) => {
    if (count === 2) loop?.signal();
    return { kind: "idle" };
  });
  loop = runLoop(consumer, { times, wait: untilCut });
  await stepped(1);
  loop.signal();
  await stepped(3);
  await loop.stop();
});

test("failures are told, and stopping does not wait for the back-off", async () => {
  const told: string[] = [];
  const { consumer, stepped } = aConsumer(() => ({ kind: "failed", error: new Error("disk full"), times: 1 }));
  const onFailure = (name: string, error: Error) => told.push(`${name}: ${error.message}`);
  const loop = runLoop(consumer, { times, wait: untilCut, onFailure });
  await stepped(1);
  await loop.stop();
  expect(told).toEqual(["test: disk full"]);
});

/** A consumer whose nth step is `outcome(n)`. */
function aConsumer(outcome: (count: number) => Step) {
  let count = 0;
  let waiting: { target: number; resolve: () => void } | null = null;
  const consumer: Consumer = {
    name: "test",
    async step() {
      count += 1;
      const step = outcome(count);
      // After the loop has dealt with the step.
      setImmediate(() => {
        if (waiting !== null && count >= waiting.target) waiting.resolve();
      });
      return step;
    },
    stats: () => ({ progress: null, records: 0, error: null }),
  };
  const stepped = (target: number) =>
    new Promise<void>((resolve) => {
      waiting = { target, resolve };
      setImmediate(() => count >= target && resolve());
    });
  return { consumer, stepped, steps: () => count };
}

/** A clock that never moves. */
function untilCut(_ms: number, cut: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (cut.aborted) resolve();
    else cut.addEventListener("abort", () => resolve(), { once: true });
  });
}
