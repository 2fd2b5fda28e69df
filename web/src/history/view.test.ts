import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type HistoryView, historyHref, readView, viewQuery } from "./view.ts";

const span = fc.integer({ min: 1, max: 3_000_000 }).map((seconds) => ({ kind: "last" as const, ms: seconds * 1000 }));
const fixed = fc
  .tuple(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 1e11 }))
  .map(([fromMs, ms]) => ({ kind: "fixed" as const, fromMs, toMs: fromMs + ms }));
const id = fc.stringMatching(/^[a-z0-9:_-]{1,12}$/);
const views = fc
  .record({
    devices: fc.uniqueArray(id, { maxLength: 10 }),
    metrics: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 9 }), { maxLength: 6 }),
    range: fc.oneof(span, fixed, fc.constant({ kind: "all" as const })),
    zone: fc.constantFrom("local", "utc"),
    layout: fc.constantFrom("panels", "together"),
    scale: fc.constantFrom("all", "unflagged"),
  })
  .map((view) => ({ ...view, hidden: view.devices.slice(0, 2).map((device) => `${device}/a&b=c/d`) }) as HistoryView);

describe("the address of a history", () => {
  test("says all of the view: who opens it sees the same", () => {
    fc.assert(
      fc.property(views, (view) => {
        expect(readView(viewQuery(view).toString())).toEqual(view);
      }),
    );
  });

  test("is short where nothing unusual is shown", () => {
    expect(historyHref({ devices: ["pump-4"], metrics: ["temperature"] })).toBe(
      "/history?device=pump-4&metric=temperature",
    );
    expect(historyHref({})).toBe("/history");
    expect(historyHref({ range: { kind: "last", ms: 300_000 } })).toBe("/history?last=5m");
  });

  test("that makes no sense shows the last day, not an error", () => {
    for (const search of [
      "last=",
      "last=0h",
      "last=-3d",
      "last=9999999999d",
      "from=x&to=y",
      "from=2026-01-02&to=2026-01-01",
    ])
      expect(readView(search).range).toEqual({ kind: "last", ms: 86_400_000 });
  });

  test("names each device once, and a handful of them", () => {
    expect(readView("device=a&device=a&device=&device=b").devices).toEqual(["a", "b"]);
    expect(readView(Array.from({ length: 40 }, (_, n) => `device=d${n}`).join("&")).devices).toHaveLength(10);
  });

  test("forgets what was hidden of a device that is no longer shown", () => {
    const view = readView("device=a&hide=a/t&hide=b/t");
    expect(viewQuery(view).toString()).toBe("device=a&hide=a%2Ft");
  });
});
