import { expect, test } from "vitest";
import { panelsOf } from "./panel.ts";
import type { Trace } from "./trace.ts";
import { readView } from "./view.ts";

function trace(device: string, metric: string): Trace {
  return { device, metric, kind: "raw", bucketMs: 0, points: [], texts: [] };
}

const traces = ["a", "b"].flatMap((device) => ["temperature", "humidity"].map((metric) => trace(device, metric)));

test("each metric has a panel, and a device the same colour in all of them", () => {
  const panels = panelsOf(traces, readView("device=a&device=b&metric=humidity&metric=temperature"));
  expect(panels.map(({ title }) => title)).toEqual(["humidity", "temperature"]);
  for (const { lines } of panels) expect(lines.map(({ colour }) => colour)).toEqual(["line-1", "line-2"]);
});

test("two metrics together have an axis each, and are told apart without colour", () => {
  const [panel] = panelsOf(traces, readView("device=a&metric=temperature&metric=humidity&layout=together"));
  expect(panel?.axes).toEqual({ left: "temperature", right: "humidity" });
  expect(panel?.lines.map(({ axis, dashed }) => [axis, dashed])).toEqual([
    ["left", false],
    ["right", true],
  ]);
  expect(new Set(panel?.lines.map(({ colour }) => colour)).size).toBe(2);
});

test("what was hidden stays in the legend, and a trace that is not there is left out", () => {
  const [panel] = panelsOf(traces, readView("device=a&device=b&device=c&metric=humidity&hide=b/humidity"));
  expect(panel?.lines.map(({ key, shown }) => [key, shown])).toEqual([
    ["a/humidity", true],
    ["b/humidity", false],
  ]);
});
