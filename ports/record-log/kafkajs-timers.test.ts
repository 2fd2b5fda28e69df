import { createRequire } from "node:module";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { mendRequestTimers } from "./kafkajs-timers.ts";

type Queue = {
  throttledUntil: number;
  push(request: object): void;
  fulfillRequest(answer: object): void;
  destroy(): void;
};

const RequestQueue = createRequire(import.meta.url)("kafkajs/src/network/requestQueue/index.js") as new (
  options: object,
) => Queue;
const logger = { debug() {}, warn() {} };
const sent: number[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  sent.length = 0;
  mendRequestTimers();
  mendRequestTimers();
});
afterEach(() => void vi.useRealTimers());

function queueOf(maxInFlightRequests: number | null): {
  queue: Queue;
  ask(id: number): void;
  answer(id: number): void;
} {
  const queue = new RequestQueue({ maxInFlightRequests, requestTimeout: 1_000, clientId: "c", broker: "b", logger });
  return {
    queue,
    ask: (correlationId) =>
      queue.push({
        entry: { correlationId, resolve() {}, reject() {} },
        expectResponse: true,
        sendRequest: () => void sent.push(correlationId),
      }),
    answer: (correlationId) => queue.fulfillRequest({ correlationId, payload: null, size: 0 }),
  };
}

test("a connection to Kafka on which nothing waits sets no timer", () => {
  const { ask, answer } = queueOf(1);
  ask(1);
  answer(1);
  expect(sent).toEqual([1]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a request that waits for the one before is sent when that is answered, and no timer is left", () => {
  const { ask, answer } = queueOf(1);
  ask(1);
  ask(2);
  expect(sent).toEqual([1]);
  answer(1);
  answer(2);
  expect(sent).toEqual([1, 2]);
  vi.advanceTimersByTime(50);
  expect(vi.getTimerCount()).toBe(0);
});

test("requests that a broker throttles are sent when their time has come", () => {
  const { queue, ask } = queueOf(null);
  queue.throttledUntil = Date.now() + 500;
  ask(1);
  vi.advanceTimersByTime(400);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(sent).toEqual([1]);
  expect(vi.getTimerCount()).toBe(0);
});
