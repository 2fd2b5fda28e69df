import { describe, expect, test } from "vitest";
import { exportHref, exportName, exportRequest, queryOf } from "./query.ts";
import { readView } from "./view.ts";

const view = readView("device=a&device=b&metric=temperature&zone=utc");
const stretch = { fromMs: Date.UTC(2026, 10, 21), toMs: Date.UTC(2026, 10, 22) };
const asked =
  "device_id=a&device_id=b&metric=temperature&start=2026-11-21T00%3A00%3A00.000Z&end=2026-11-22T00%3A00%3A00.000Z&timezone=UTC";

describe("what is asked of the server", () => {
  test("is what is shown, as fine as the chart is wide", () => {
    expect(queryOf(view, stretch, 900).toString()).toBe(`${asked}&max_points=900`);
  });

  test("as a file is every reading, or the points of the chart", () => {
    expect(exportHref(view, stretch, "csv", null)).toBe(`/v1/query?${asked}&format=csv`);
    expect(exportHref(view, stretch, "arrow", 900)).toBe(`/v1/query?${asked}&max_points=900&format=arrow`);
    expect(exportName(view, stretch, "csv")).toBe("history-temperature-20261121T000000Z.csv");
  });

  test("for the storage is the time shown, or on a schedule what was whole before", () => {
    const both = { device_id: ["a", "b"], metric: ["temperature"], format: "parquet", timezone: "UTC" };
    expect(exportRequest(view, stretch, "parquet", null)).toEqual({
      ...both,
      start: "2026-11-21T00:00:00.000Z",
      end: "2026-11-22T00:00:00.000Z",
    });
    expect(exportRequest(view, stretch, "parquet", "day")).toEqual({ ...both, last: "day", schedule: "0 6 * * *" });
  });
});
