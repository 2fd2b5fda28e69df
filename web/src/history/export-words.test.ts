import { describe, expect, test } from "vitest";
import { exportEvery, exportWhat, underWay } from "./export-words.ts";

describe("an export in words", () => {
  test("names what is in it, and counts where that would be long", () => {
    expect(exportWhat({ device_id: ["pump-4"], metric: ["flow", "level"] })).toBe("flow, level of pump-4");
    const many = Array.from({ length: 1_200 }, (_, at) => `pump-${at}`);
    expect(exportWhat({ device_id: many, metric: ["a", "b", "c", "d"] })).toBe("a, b and 2 more of 1,200 devices");
  });

  test("says how often it is made, also if another program said so", () => {
    expect([null, "0 6 * * *", "*/20 * * * *"].map((schedule) => exportEvery({ schedule }))).toEqual([
      null,
      "every day at 6",
      "*/20 * * * *",
    ]);
  });

  test("is asked for again while it is made", () => {
    const run = { for: "", startedAt: "", rows: 0, files: [], error: null };
    expect(underWay([])).toBe(false);
    expect(underWay([{ state: "done", runs: [{ ...run, state: "done" }] }])).toBe(false);
    expect(underWay([{ state: "waiting", runs: [] }])).toBe(true);
    expect(underWay([{ state: "scheduled", runs: [{ ...run, state: "running" }] }])).toBe(true);
  });
});
