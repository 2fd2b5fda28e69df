import { expect, test } from "vitest";
import { panelsOf } from "./panel.ts";
import { unflaggedExtent } from "./scale.ts";
import { readView } from "./view.ts";

function lines(...points: { low: number; high: number; flagged: number }[]) {
  const whole = points.map((point, at) => ({ tsMs: at, middle: point.low, count: 5, rules: [], ...point }));
  const trace = { device: "a", metric: "t", kind: "raw" as const, bucketMs: 0, points: whole, texts: [] };
  return panelsOf([trace], readView("device=a&metric=t"))[0]!.lines;
}

test("a scale without what is flagged holds all the rest", () => {
  const found = lines(
    { low: 20, high: 22, flagged: 0 },
    { low: 18, high: 131.5, flagged: 1 },
    { low: 19, high: 23, flagged: 0 },
  );
  expect(unflaggedExtent(found, "left")).toEqual({ low: 19, high: 23 });
});

test("where all is flagged, or nothing is there, there is no such scale", () => {
  expect(unflaggedExtent(lines({ low: 1, high: 2, flagged: 3 }), "left")).toBeNull();
  expect(unflaggedExtent(lines({ low: 1, high: 2, flagged: 0 }), "right")).toBeNull();
});
