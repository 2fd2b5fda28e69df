import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PublishableRecord } from "../../ports/record-log/port.ts";
import { OutboxPump } from "./outbox-pump.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A log that answers when the test says so. */
function aLog() {
  const requests: string[][] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  const struck: string[] = [];
  const pump = new OutboxPump({
    store: {
      published: async (records) => void struck.push(...records.map(({ id }) => id)),
      abandoned: async () => [],
    },
    publisher: {
      publish(records) {
        requests.push(records.map(({ id }) => id));
        const answer = Promise.withResolvers<void>();
        answers.push(answer);
        return answer.promise;
      },
    },
    now: () => 0,
    onTrouble: () => {},
  });
  return { pump, requests, answers, struck };
}

/** The same in the rest after its first request. */
async function aLogWithOne() {
  const log = aLog();
  log.pump.put([aRecord("d1.0")]);
  await vi.advanceTimersByTimeAsync(10);
  log.answers[0]!.resolve();
  await vi.advanceTimersByTimeAsync(0);
  return log;
}

const aRecord = (id: string): PublishableRecord => ({
  id,
  device: "pump-4",
  record: { kind: "commandRemoved", atMs: 0, command: id } as never,
});

test("commits of one moment share a request; what comes while it is under way shares the next", async () => {
  const { pump, requests, answers, struck } = aLog();
  pump.put([aRecord("d1.0")]);
  pump.put([aRecord("d2.0")]);
  expect(requests).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(requests).toEqual([["d1.0", "d2.0"]]);
  pump.put([aRecord("d3.0")]);
  pump.put([aRecord("d4.0")]);
  answers[0]!.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(requests).toEqual([
    ["d1.0", "d2.0"],
    ["d3.0", "d4.0"],
  ]);
  answers[1]!.resolve();
  await vi.advanceTimersByTimeAsync(0);
  pump.put([aRecord("d5.0")]);
  await vi.advanceTimersByTimeAsync(100);
  expect(requests[2]).toEqual(["d5.0"]);
  await pump.strike();
  expect(struck).toEqual(["d1.0", "d2.0", "d3.0", "d4.0"]);
});

test("while records keep coming, requests keep a distance, unless somebody hurries or many wait", async () => {
  const { pump, requests, answers } = await aLogWithOne();
  pump.put([aRecord("d2.0")]);
  await vi.advanceTimersByTimeAsync(12);
  pump.put([aRecord("d3.0")]);
  expect(requests).toEqual([["d1.0"]]);
  await vi.advanceTimersByTimeAsync(37);
  expect(requests).toEqual([["d1.0"]]);
  await vi.advanceTimersByTimeAsync(1);
  expect(requests).toEqual([["d1.0"], ["d2.0", "d3.0"]]);
  pump.put([aRecord("d4.0")]);
  answers[1]!.resolve();
  await vi.advanceTimersByTimeAsync(0);
  pump.hurry();
  expect(requests.slice(2)).toEqual([["d4.0"]]);
  pump.put(Array.from({ length: 1_000 }, (_, index) => aRecord(`d5.${index}`)));
  answers[2]!.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(requests.map((request) => request.length)).toEqual([1, 2, 1, 1_000]);
});

test("after a rest in which nothing came, the next record waits its moment as the first one did", async () => {
  const { pump, requests } = await aLogWithOne();
  await vi.advanceTimersByTimeAsync(100);
  pump.hurry();
  pump.put([aRecord("d2.0")]);
  expect(requests).toEqual([["d1.0"]]);
  await vi.advanceTimersByTimeAsync(10);
  expect(requests).toEqual([["d1.0"], ["d2.0"]]);
});

test("whoever publishes after `hurry` comes after what was there", () => {
  const { pump, requests } = aLog();
  pump.put([aRecord("d1.0")]);
  pump.hurry();
  expect(requests).toEqual([["d1.0"]]);
});

test("a host that ends publishes what it has at once", async () => {
  const { pump, requests, answers } = aLog();
  pump.put([aRecord("d1.0")]);
  const closed = pump.close(1_000);
  expect(requests).toEqual([["d1.0"]]);
  answers[0]!.resolve();
  await closed;
  expect(pump.waiting).toBe(0);
});

test("a host that ends in the rest between two requests does not wait for its end", async () => {
  const { pump, requests, answers } = await aLogWithOne();
  pump.put([aRecord("d2.0")]);
  const closed = pump.close(1_000);
  expect(requests).toEqual([["d1.0"], ["d2.0"]]);
  answers[1]!.resolve();
  await closed;
  expect(pump.waiting).toBe(0);
  expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
});
