import { expect, test } from "vitest";
import { aCluster, aMember, startedMs } from "../testing/cluster-picture.ts";
import { clusterEvents } from "./cluster-events.ts";
import type { Cluster } from "./contract.ts";

const nowMs = startedMs + 605_000;
const host = (name: string, twins = 300) => aMember(name, { status: { twins, sidecar: true } });
const calm = aCluster([host("actors-1"), host("actors-2", 143)]);

function said(before: Cluster | null, after: Cluster, skewMs = 0) {
  return clusterEvents(before, after, nowMs, skewMs).map(({ title, detail }) =>
    [title, detail].filter(Boolean).join(": "),
  );
}

test("a calm cluster has nothing to tell", () => {
  expect(said(null, calm)).toEqual([]);
  expect(said(calm, calm)).toEqual([]);
});

test("a host that dies is gone since its last beat, with the twins that it carried", () => {
  const after = aCluster([host("actors-1"), { ...host("actors-2", 143), alive: false }]);
  expect(said(calm, after)).toEqual(["actors-2 is gone: it carried 143 twins"]);
  expect(clusterEvents(calm, after, nowMs, 0)[0]?.atMs).toBe(startedMs + 600_000);
  expect(said(after, after)).toEqual([]);
});

test("a browser whose clock is an hour slow tells the right moments, and none that lies ahead", () => {
  const after = aCluster([host("actors-1"), { ...host("actors-2"), alive: false }]);
  const hour = 3_600_000;
  expect(clusterEvents(calm, after, nowMs - hour, -hour)[0]?.atMs).toBe(startedMs + 600_000 - hour);
  expect(clusterEvents(calm, after, startedMs, 0)[0]?.atMs).toBe(startedMs);
});

test("a process of the same name that comes instead is back, also if both happened between two looks", () => {
  const dead = { ...host("actors-2", 143), alive: false };
  const startedAt = new Date(startedMs + 604_000).toISOString();
  const successor = aMember("actors-2-later", { name: "actors-2", startedAt, status: { twins: 0 } });
  const after = aCluster([host("actors-1"), dead, successor]);
  expect(said(aCluster([host("actors-1"), dead]), after)).toEqual(["actors-2 is back"]);
  expect(said(calm, after)).toEqual(["actors-2 is back", "actors-2 is gone: it carried 143 twins"]);
});

test("who opens the page late is told who died in the last hour and who came instead", () => {
  const dead = { ...host("actors-2", 1), alive: false };
  const startedAt = new Date(startedMs + 604_000).toISOString();
  const successor = aMember("actors-2-later", { name: "actors-2", startedAt });
  expect(said(null, aCluster([dead, successor]))).toEqual(["actors-2 is back", "actors-2 is gone: it carried 1 twin"]);
});

test("a process that was never there before joins", () => {
  expect(said(calm, aCluster([...calm.members, host("actors-3")]))).toEqual(["actors-3 joined"]);
});

test("one that hung and beats again is back; one that is forgotten is gone", () => {
  const hung = aCluster([host("actors-1"), { ...host("actors-2"), alive: false }]);
  expect(said(hung, calm)).toEqual(["actors-2 is back"]);
  expect(said(calm, aCluster([host("actors-1")]))).toEqual(["actors-2 is gone: it carried 143 twins"]);
});

test("sidecars, dependencies and the placement tell when they go and come", () => {
  const ill = aCluster([host("actors-1"), aMember("actors-2", { status: { twins: 143, sidecar: false } })], {
    placement: { connected: false, version: "7" },
    dependencies: { database: { ok: false, detail: "no route" } },
  });
  expect(said(calm, ill)).toEqual(["actors-2 lost its sidecar", "database is failing: no route", "Placement is away"]);
  expect(said(ill, calm)).toEqual([
    "actors-2 has its sidecar again",
    "database is ok again",
    "Placement is connected again",
  ]);
  expect(said(calm, { ...calm, placement: { connected: true, version: "8" } })).toEqual([
    "Placement spread the twins anew: version 8, was 7",
  ]);
});
