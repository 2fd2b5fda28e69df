import { expect, test } from "vitest";
import type { DeviceEvent, Status } from "./contract.ts";
import { presenceSpans, uptime } from "./presence-spans.ts";

const announced = (atMs: number, status: Status): DeviceEvent => ({
  offset: atMs,
  device: "pump-4",
  kind: "presence",
  at: new Date(atMs).toISOString(),
  status,
  since: new Date(atMs).toISOString(),
});
const unannounced = (atMs: number): DeviceEvent => ({
  offset: atMs,
  device: "pump-4",
  kind: "presence",
  at: new Date(atMs).toISOString(),
  edge: "connectionLost",
});

test("spans follow one another without gaps, from newest-first events", () => {
  const events = [announced(900, "online"), announced(600, "offline"), announced(100, "online")];
  expect(presenceSpans(events, { status: "online", sinceMs: 900 }, 500, 1000)).toEqual([
    { status: "online", fromMs: 500, toMs: 600 },
    { status: "offline", fromMs: 600, toMs: 900 },
    { status: "online", fromMs: 900, toMs: 1000 },
  ]);
});

test("before the first known change the status is unknown", () => {
  expect(presenceSpans([announced(600, "online")], { status: "online", sinceMs: 600 }, 0, 1000)).toEqual([
    { status: "unknown", fromMs: 0, toMs: 600 },
    { status: "online", fromMs: 600, toMs: 1000 },
  ]);
});

test("a short reconnect that was never announced does not show", () => {
  const events = [unannounced(700), announced(100, "online")];
  expect(presenceSpans(events, { status: "online", sinceMs: 100 }, 200, 1000)).toEqual([
    { status: "online", fromMs: 200, toMs: 1000 },
  ]);
});

test("a live change that the events do not hold yet is drawn", () => {
  const spans = presenceSpans([announced(100, "online")], { status: "offline", sinceMs: 800 }, 0, 1000);
  expect(spans.at(-1)).toEqual({ status: "offline", fromMs: 800, toMs: 1000 });
});

test("a change is dated by when it held, not by when it was told", () => {
  const told = { ...announced(900, "offline"), since: new Date(700).toISOString() };
  expect(presenceSpans([told], { status: "offline", sinceMs: 700 }, 600, 1000).at(-1)).toEqual({
    status: "offline",
    fromMs: 700,
    toMs: 1000,
  });
});

test("the share of online time leaves out what is unknown", () => {
  const spans = presenceSpans(
    [announced(750, "offline"), announced(500, "online")],
    { status: "offline", sinceMs: 750 },
    0,
    1000,
  );
  expect(uptime(spans)).toBe(0.5);
  expect(uptime([{ status: "unknown", fromMs: 0, toMs: 9 }])).toBeNull();
});
