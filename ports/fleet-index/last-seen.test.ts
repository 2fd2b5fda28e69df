import { expect, test } from "vitest";
import type { DeviceChange } from "./changes.ts";
import { LastSeen } from "./last-seen.ts";

test("a device's first sighting is due, the next ones only after the interval", () => {
  const lastSeen = new LastSeen(30_000);
  expect(step(lastSeen, { lastSeenMs: 100_000 })).toBe(100_000);
  expect(step(lastSeen, { lastSeenMs: 129_999 })).toBeNull();
  expect(step(lastSeen, { lastSeenMs: 130_000 })).toBe(130_000);
});

test("an edge of presence carries the newest sighting and place along", () => {
  const lastSeen = new LastSeen(30_000);
  const position = { latitude: 1, longitude: 2 };
  step(lastSeen, { lastSeenMs: 100_000 });
  step(lastSeen, { lastSeenMs: 110_000, position, positionMs: 110_000 });
  step(lastSeen, { lastSeenMs: 120_000 });
  const edge = aChange({ presence: {} as DeviceChange["presence"] });
  expect(lastSeen.due("a", edge)).toEqual({ lastSeenMs: 120_000, position, positionMs: 110_000 });
});

test("what was not committed is due again", () => {
  const lastSeen = new LastSeen(30_000);
  expect(lastSeen.due("a", aChange({ lastSeenMs: 100_000 }))).not.toBeNull();
  expect(lastSeen.due("a", aChange({ lastSeenMs: 100_000 }))).not.toBeNull();
});

test("a deregistered device is forgotten", () => {
  const lastSeen = new LastSeen(30_000);
  step(lastSeen, { lastSeenMs: 100_000 });
  step(lastSeen, { anew: true });
  expect(lastSeen.size).toBe(0);
});

test("only devices that were seen lately, or have something unwritten, take memory", () => {
  const lastSeen = new LastSeen(30_000);
  for (let number = 0; number < 100; number += 1) step(lastSeen, { lastSeenMs: 100_000 }, `d${number}`);
  step(lastSeen, { lastSeenMs: 110_000 }, "d0");
  step(lastSeen, { lastSeenMs: 200_000 }, "new");
  expect(lastSeen.size).toBe(2);
});

test("what a silent device leaves unwritten waits, until it is settled", () => {
  const lastSeen = new LastSeen(30_000);
  const position = { latitude: 1, longitude: 2 };
  step(lastSeen, { lastSeenMs: 100_000 });
  step(lastSeen, { lastSeenMs: 110_000, position, positionMs: 110_000 });
  expect(lastSeen.waiting(110_000).size).toBe(0);
  const waiting = lastSeen.waiting(110_001);
  expect([...waiting]).toEqual([["a", { lastSeenMs: 110_000, position, positionMs: 110_000 }]]);
  step(lastSeen, { lastSeenMs: 111_000 });
  lastSeen.settled(waiting);
  expect([...lastSeen.waiting(200_000).values()]).toEqual([
    { lastSeenMs: 111_000, position: null, positionMs: 110_000 },
  ]);
  lastSeen.settled(lastSeen.waiting(200_000));
  expect(lastSeen.waiting(200_000).size).toBe(0);
});

/** What was due of the change; commits it. */
function step(lastSeen: LastSeen, change: Partial<DeviceChange>, id = "a"): number | null {
  const whole = aChange(change);
  const due = lastSeen.due(id, whole);
  lastSeen.commit(new Map([[id, whole]]));
  return due?.lastSeenMs ?? null;
}

function aChange(change: Partial<DeviceChange> = {}): DeviceChange {
  return {
    ...{ anew: false, registration: null, registeredMs: null, presence: null },
    ...{ lastSeenMs: 0, position: null, positionMs: 0 },
    ...change,
  };
}
