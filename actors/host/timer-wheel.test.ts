import fc from "fast-check";
import { expect, test } from "vitest";
import { noTimer, type Timer, TimerWheel } from "./timer-wheel.ts";

const start = 1_763_726_400_000;
const day = 86_400_000;

test("an id is due at its moment, not before, and once", () => {
  const wheel = new TimerWheel(start);
  wheel.schedule(noTimer, "pump-4", start + 60_000);
  expect(wheel.due(start + 59_999)).toEqual([]);
  expect(wheel.due(start + 60_000)).toEqual(["pump-4"]);
  expect(wheel.size).toBe(0);
  expect(wheel.due(start + 60_000)).toEqual([]);
  wheel.schedule(noTimer, "pump-4", Number.POSITIVE_INFINITY);
  expect([wheel.size, wheel.due(start + day)]).toEqual([1, []]);
});

test("a later renewal keeps the earlier moment, and an earlier one replaces the later", () => {
  const wheel = new TimerWheel(start);
  const timer = wheel.schedule(noTimer, "pump-4", start + 60_000);
  expect(wheel.schedule(timer, "pump-4", start + 90_000)).toBe(timer);
  expect(wheel.nextMs()).toBe(start + 60_000);
  expect(wheel.schedule(timer, "pump-4", start + 5)).toBe(timer);
  expect(wheel.nextMs()).toBe(start + 5);
  expect(wheel.size).toBe(1);
  expect(wheel.due(start + 5)).toEqual(["pump-4"]);
  expect(wheel.due(start + day)).toEqual([]);
});

test("a cancelled id is never due", () => {
  const wheel = new TimerWheel(start);
  wheel.cancel(wheel.schedule(noTimer, "pump-4", start + 60_000));
  wheel.cancel(noTimer);
  expect(wheel.nextMs()).toBeNull();
  expect(wheel.due(start + day)).toEqual([]);
});

test("a moment in the past is due at once", () => {
  const wheel = new TimerWheel(start);
  wheel.due(start + day);
  wheel.schedule(noTimer, "pump-4", start - day);
  expect(wheel.nextMs()).toBe(start - day);
  expect(wheel.due(start + day)).toEqual(["pump-4"]);
});

test("a clock that was set back wakes nobody early, and still finds who is overdue", () => {
  const wheel = new TimerWheel(start);
  wheel.schedule(noTimer, "pump-4", start + 120_000);
  wheel.due(start + 60_000);
  wheel.schedule(noTimer, "pump-5", start + 1_000);
  expect(wheel.due(start + 999)).toEqual([]);
  expect(wheel.due(start + 1_000)).toEqual(["pump-5"]);
  expect(wheel.due(start + 120_000)).toEqual(["pump-4"]);
});

test("moments years away wait their time, however far the clock jumps", () => {
  const wheel = new TimerWheel(start);
  wheel.schedule(noTimer, "pump-4", start + 1_000 * day);
  wheel.schedule(noTimer, "pump-5", Number.POSITIVE_INFINITY);
  expect(wheel.due(start + 1_000 * day - 1)).toEqual([]);
  expect(wheel.due(start + 1_000 * day)).toEqual(["pump-4"]);
  wheel.schedule(noTimer, "pump-6", start + 1_001 * day);
  expect(wheel.due(start + 1_001 * day - 1)).toEqual([]);
  expect(wheel.due(start + 5_000 * day)).toEqual(["pump-6"]);
  expect(wheel.size).toBe(1);
});

test("many that are due can be taken in portions, the earliest first", () => {
  const wheel = new TimerWheel(start);
  for (let index = 0; index < 1_000; index += 1) wheel.schedule(noTimer, `pump-${index}`, start + index * 1_000);
  const taken: string[] = [];
  for (let portion = wheel.due(start + day, 7); portion.length > 0; portion = wheel.due(start + day, 7)) {
    expect(portion.length).toBeLessThanOrEqual(7);
    taken.push(...portion);
  }
  expect(taken).toEqual(Array.from({ length: 1_000 }, (_, index) => `pump-${index}`));
});

test("whatever is scheduled, cancelled and asked, the wheel agrees with a plain map", () => {
  const id = fc.integer({ min: 0, max: 30 }).map((index) => `pump-${index}`);
  const ahead = fc.oneof(
    fc.integer({ min: -1_000, max: 1_000 }),
    fc.integer({ min: 0, max: 100_000 }),
    fc.integer({ min: 0, max: 1_200 * day }),
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("schedule" as const), id, ahead }) },
    fc.record({ kind: fc.constant("cancel" as const), id }),
    fc.record({
      kind: fc.constant("due" as const),
      ahead,
      atMost: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const wheel = new TimerWheel(start);
      const model = new Map<string, number>();
      const timers = new Map<string, Timer>();
      let nowMs = start;
      for (const step of steps) {
        switch (step.kind) {
          case "schedule":
            timers.set(step.id, wheel.schedule(timers.get(step.id) ?? noTimer, step.id, nowMs + step.ahead));
            model.set(step.id, Math.min(model.get(step.id) ?? Number.POSITIVE_INFINITY, nowMs + step.ahead));
            break;
          case "cancel":
            wheel.cancel(timers.get(step.id) ?? noTimer);
            timers.delete(step.id);
            model.delete(step.id);
            break;
          case "due": {
            nowMs += step.ahead;
            const expected = [...model].filter(([, atMs]) => atMs <= nowMs).map(([id]) => id);
            const ids = wheel.due(nowMs, step.atMost);
            if (step.atMost === undefined) expect([...ids].sort()).toEqual(expected.sort());
            else expect(ids).toHaveLength(Math.min(step.atMost, expected.length));
            expect(new Set(ids).size).toBe(ids.length);
            expect(expected).toEqual(expect.arrayContaining(ids));
            for (const id of ids) {
              model.delete(id);
              timers.delete(id);
            }
          }
        }
        expect(wheel.size).toBe(model.size);
        expect(new Set(timers.values()).size).toBe(model.size);
        expect(wheel.nextMs()).toBe(model.size === 0 ? null : Math.min(...model.values()));
      }
    }),
    { numRuns: 500 },
  );
});
