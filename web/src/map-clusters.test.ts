import { expect, test } from "vitest";
import { clusterAt, clusters, type Placed } from "./map-clusters.ts";
import { wholeWorld } from "./map-view.ts";

const device = (id: string, x: number, y: number, online = true): Placed => ({ id, x, y, online });

test("devices at one place are drawn as one, with how many of them are online", () => {
  const [one, ...others] = clusters(
    [device("a", 100, 100), device("b", 101, 101, false), device("c", 102, 102)],
    wholeWorld,
  );
  expect(others).toEqual([]);
  expect(one).toMatchObject({ x: 101, y: 101, count: 3, online: 2, id: null });
});

test("zooming in takes them apart", () => {
  const placed = [device("a", 100, 100), device("b", 104, 100)];
  expect(clusters(placed, wholeWorld)).toHaveLength(1);
  expect(clusters(placed, { scale: 8, x: -700, y: -700 }).map(({ id }) => id)).toEqual(["a", "b"]);
});

test("moving the map regroups nothing", () => {
  const placed = Array.from({ length: 200 }, (_, at) => device(String(at), (at * 37) % 400, (at * 53) % 200));
  const counts = (x: number) => clusters(placed, { scale: 2, x, y: -20 }).map(({ count }) => count);
  expect(counts(-7)).toEqual(counts(-123));
});

test("a few devices across a cell's border join the many on whose disc they lie", () => {
  const many = Array.from({ length: 80 }, (_, at) => device(String(at), 103, 103));
  expect(clusters([...many, device("a", 106, 103, false)], wholeWorld)).toMatchObject([{ count: 81, online: 80 }]);
});

test("every device is counted once, at every scale", () => {
  const placed = Array.from({ length: 500 }, (_, at) =>
    device(String(at), (at * 37) % 397, (at * at) % 199, at % 3 > 0),
  );
  for (const scale of [1, 2, 5, 16]) {
    const drawn = clusters(placed, { scale, x: 0, y: 0 });
    expect(drawn.reduce((sum, { count }) => sum + count, 0)).toBe(500);
    expect(drawn.reduce((sum, { online }) => sum + online, 0)).toBe(333);
  }
});

test("the pointer finds what is below it, the smaller one where two overlap", () => {
  const many = Array.from({ length: 200 }, (_, at) => device(String(at), 100, 100));
  const drawn = clusters([...many, device("beside", 117, 100)], wholeWorld);
  expect(clusterAt(drawn, 114, 100)?.id).toBe("beside");
  expect(clusterAt(drawn, 95, 100)?.count).toBe(200);
  expect(clusterAt(drawn, 400, 300)).toBeNull();
});
