import fc from "fast-check";
import { expect, test } from "vitest";
import { clampView, fitted, type MapView, wholeWorld, zoomed } from "./map-view.ts";

const frame = { width: 800, height: 400 };

test("zooming keeps the point below the pointer where it is", () => {
  const view = zoomed(wholeWorld, 2, 300, 150, frame);
  expect(view).toEqual({ scale: 2, x: -300, y: -150 });
});

test("zooming out as far as it goes shows the whole world", () => {
  expect(zoomed({ scale: 3, x: -500, y: -200 }, 0.01, 10, 390, frame)).toEqual({ scale: 1, x: 0, y: 0 });
});

test("no view shows anything beside the map, however one drags and zooms", () => {
  const step = fc.record({
    dx: fc.integer({ min: -900, max: 900 }),
    dy: fc.integer({ min: -900, max: 900 }),
    factor: fc.double({ min: 0.2, max: 5, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let view: MapView = wholeWorld;
      for (const { dx, dy, factor } of steps) {
        view = zoomed(clampView({ ...view, x: view.x + dx, y: view.y + dy }, frame), factor, 400, 200, frame);
        expect(view.x).toBeLessThanOrEqual(0);
        expect(view.y).toBeLessThanOrEqual(0);
        expect(view.x + frame.width * view.scale).toBeGreaterThanOrEqual(frame.width - 1e-6);
        expect(view.y + frame.height * view.scale).toBeGreaterThanOrEqual(frame.height - 1e-6);
      }
    }),
  );
});

test("a fitted view holds every point", () => {
  const points = [
    [400, 120],
    [440, 150],
  ] as const;
  const view = fitted(points, frame);
  expect(view.scale).toBeGreaterThan(4);
  for (const [x, y] of points) {
    expect(x * view.scale + view.x).toBeGreaterThan(0);
    expect(x * view.scale + view.x).toBeLessThan(frame.width);
    expect(y * view.scale + view.y).toBeGreaterThan(0);
    expect(y * view.scale + view.y).toBeLessThan(frame.height);
  }
});
