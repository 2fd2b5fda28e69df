import { expect, test } from "vitest";
import { noonMs, registered, telemetry } from "../../ports/fleet-index/testing.ts";
import { readingsIn, rowsOf } from "./fold.ts";

test("a message becomes a row for each of its readings, with the device's time and ours", () => {
  const record = {
    ...telemetry(noonMs, { temperature: 21.5, open: true, mode: "eco" }),
    tsMs: 5,
    tags: { room: "3" },
    type: "pump",
    region: "north",
    flags: { temperature: ["too-hot"], "": ["skewed"] },
  };
  const items = [
    { offset: 7, entry: { device: "pump-4", record: registered() } },
    { offset: 8, entry: { device: "pump-4", record } },
  ];
  const row = {
    device: "pump-4",
    tsMs: 5,
    receivedAtMs: noonMs,
    tags: { room: "3" },
    offset: 8,
    type: "pump",
    region: "north",
    flags: ["skewed"],
  };
  expect(rowsOf(items)).toEqual([
    { ...row, metric: "temperature", value: 21.5, flags: ["too-hot", "skewed"] },
    { ...row, metric: "open", value: true },
    { ...row, metric: "mode", value: "eco" },
  ]);
  expect(items.map(readingsIn)).toEqual([0, 3]);
});
