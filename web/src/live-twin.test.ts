import { expect, test } from "vitest";
import type { DeviceDetail } from "./contract.ts";
import { applied } from "./live-twin.ts";

const statistics = { count: 10, mean: 20, min: 18, max: 22, stddev: 1 };
const pump: DeviceDetail = {
  id: "pump-4",
  type: "pump",
  region: "eu",
  location: null,
  tags: {},
  firmwareVersion: null,
  createdAt: "2026-01-01T00:00:00Z",
  status: "online",
  since: "2026-11-21T10:00:00Z",
  lastSeen: "2026-11-21T12:00:00Z",
  connected: true,
  flapping: false,
  revision: 7,
  shadows: { "": { version: 5, state: { reported: { mode: "eco" } } } },
  latest: { temperature: { value: 20, ts: "2026-11-21T12:00:00Z", receivedAt: "2026-11-21T12:00:00Z", ...statistics } },
  commands: [],
};

test("a presence message that does not tell when the device was seen leaves that as it was", () => {
  const gone = { status: "offline", since: "2026-11-21T12:01:00Z", connected: false, flapping: false } as const;
  const after = applied(pump, { type: "presence", device: "pump-4", lastSeen: null, ...gone });
  expect(after).toMatchObject({ ...gone, lastSeen: pump.lastSeen });
});

test("a newer reading is the latest, and its statistics wait for the server's", () => {
  const ts = "2026-11-21T12:00:10Z";
  const { latest } = applied(pump, {
    type: "telemetry",
    device: "pump-4",
    ts,
    readings: { temperature: 21, open: true },
  });
  expect(latest.temperature).toMatchObject({ value: 21, ts, ...statistics });
  expect(latest.open).toMatchObject({ value: true, count: 0 });
});

test("an older reading is not the latest", () => {
  const ts = "2026-11-21T11:00:00Z";
  const { latest } = applied(pump, { type: "telemetry", device: "pump-4", ts, readings: { temperature: 5 } });
  expect(latest.temperature?.value).toBe(20);
});

test("an older shadow never replaces a newer one, a deleted one goes", () => {
  const message = { type: "shadow", device: "pump-4", shadow: "" } as const;
  expect(applied(pump, { ...message, version: 4, state: { reported: { mode: "old" } } })).toBe(pump);
  expect(applied(pump, { ...message, version: 6, state: { reported: { mode: "off" } } }).shadows[""]).toMatchObject({
    version: 6,
    state: { reported: { mode: "off" } },
  });
  expect(applied(pump, { ...message, version: 6, state: null }).shadows).toEqual({});
});
