import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chosen, leastMs, mostMs, moved, ofKey, refreshMs, type Stretch, zoomed } from "./zoom.ts";

const nowMs = Date.UTC(2026, 10, 21, 12);
const hour: Stretch = { fromMs: nowMs - 7_200_000, toMs: nowMs - 3_600_000 };
const stretches = fc
  .tuple(fc.integer({ min: 1, max: nowMs }), fc.integer({ min: leastMs, max: 1e11 }))
  .map(([toMs, span]): Stretch => ({ fromMs: Math.max(0, toMs - span), toMs: Math.max(span, toMs) }))
  .filter(({ fromMs, toMs }) => toMs - fromMs >= leastMs);

describe("zooming a history", () => {
  test("keeps the moment under the pointer where it is", () => {
    expect(zoomed(hour, 0.5, 0, nowMs)).toEqual({ kind: "fixed", fromMs: hour.fromMs, toMs: hour.fromMs + 1_800_000 });
    expect(zoomed(hour, 0.5, 1, nowMs)).toEqual({ kind: "fixed", fromMs: hour.toMs - 1_800_000, toMs: hour.toMs });
  });

  test("goes from years down to a second, and no further", () => {
    let shown: Stretch = { fromMs: nowMs - 5 * 365 * 86_400_000, toMs: nowMs };
    for (let step = 0; step < 60; step++) shown = zoomed(shown, 0.5, 0.5, nowMs) as Stretch & { kind: "fixed" };
    expect(shown.toMs - shown.fromMs).toBe(1000);
    for (let step = 0; step < 90; step++) shown = zoomed(shown, 2, 0.5, nowMs) as Stretch & { kind: "fixed" };
    expect(shown.toMs - shown.fromMs).toBeLessThanOrEqual(mostMs);
  });

  test("never leaves time: not before 1970, not wholly after now, never an empty stretch", () => {
    const step = fc.oneof(
      fc.constantFrom("+", "-", "ArrowLeft", "ArrowRight").map((key) => (shown: Stretch) => ofKey(key, shown, nowMs)),
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })).map(
        ([a, b]) =>
          ({ fromMs, toMs }: Stretch) =>
            chosen(fromMs + (toMs - fromMs) * a, fromMs + (toMs - fromMs) * b, nowMs),
      ),
    );
    fc.assert(
      fc.property(stretches, fc.array(step, { maxLength: 30 }), (start, steps) => {
        let shown = start;
        for (const act of steps) {
          shown = act(shown) as Stretch & { kind: "fixed" };
          expect(shown.fromMs).toBeGreaterThanOrEqual(0);
          expect(shown.fromMs).toBeLessThan(nowMs);
          expect(shown.toMs - shown.fromMs).toBeGreaterThanOrEqual(leastMs);
          expect(Number.isSafeInteger(shown.fromMs) && Number.isSafeInteger(shown.toMs)).toBe(true);
        }
      }),
    );
  });

  test("a drag to the left chooses the same as one to the right", () => {
    expect(chosen(hour.toMs, hour.fromMs, nowMs)).toEqual(chosen(hour.fromMs, hour.toMs, nowMs));
  });

  test("half a screen back and forth again is where one was", () => {
    const back = moved(hour, -0.5, nowMs) as Stretch & { kind: "fixed" };
    expect(moved(back, 0.5, nowMs)).toEqual({ kind: "fixed", ...hour });
  });

  test("keys: Home shows everything, End follows now, Escape goes back, letters do nothing", () => {
    expect(ofKey("Home", hour, nowMs)).toEqual({ kind: "all" });
    expect(ofKey("End", hour, nowMs)).toEqual({ kind: "last", ms: 3_600_000 });
    expect(ofKey("Escape", hour, nowMs)).toBe("back");
    expect(ofKey("q", hour, nowMs)).toBeNull();
  });

  test("a short moving range is asked for often, a long one seldom", () => {
    expect(refreshMs(60_000)).toBe(2_000);
    expect(refreshMs(30 * 86_400_000)).toBe(60_000);
  });
});
