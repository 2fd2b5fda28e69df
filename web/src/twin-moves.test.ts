import { expect, test } from "vitest";
import { aCluster, aMember } from "../testing/cluster-picture.ts";
import { moved, movesAfter } from "./twin-moves.ts";

const cluster = (twins: Record<string, number>) =>
  aCluster([
    aMember("gateways-1"),
    ...Object.entries(twins).map(([name, count]) => aMember(name, { status: { twins: count } })),
  ]);
const three = cluster({ "actors-1": 300, "actors-2": 310, "actors-3": 290 });
const two = cluster({ "actors-1": 420, "actors-3": 400 });

test("while the hosts stay the same nothing has moved", () => {
  expect(movesAfter(null, null, three, 0)).toBeNull();
  expect(movesAfter(null, three, cluster({ "actors-1": 1, "actors-2": 2, "actors-3": 3 }), 0)).toBeNull();
  expect(moved(null, "actors-1", 300)).toBe(0);
});

test("after a host died the others show what they took; one that came shows all that it has", () => {
  const moves = movesAfter(null, three, two, 1_000);
  expect(moved(moves, "actors-1", 420)).toBe(120);
  expect(moved(moves, "actors-4", 50)).toBe(50);
});

test("changes in quick succession count from before the first; two minutes after the last they are old", () => {
  const first = movesAfter(null, three, two, 0);
  const second = movesAfter(first, two, three, 60_000);
  expect(moved(second, "actors-1", 310)).toBe(10);
  expect(movesAfter(second, three, three, 179_000)).toBe(second);
  expect(movesAfter(second, three, three, 180_000)).toBeNull();
});
