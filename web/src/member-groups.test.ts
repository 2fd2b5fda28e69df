import { expect, test } from "vitest";
import { aCluster, aMember, startedMs } from "../testing/cluster-picture.ts";
import { groupsOf } from "./member-groups.ts";

const nowMs = startedMs + 600_000;
const names = (members: { id: string }[]) => members.map(({ id }) => id);

test("every role of the distributed mode has its group, also if nobody is there", () => {
  const groups = groupsOf(aCluster([aMember("apis-1"), aMember("actors-1"), aMember("menders-1")]), nowMs);
  expect(groups.map(({ role, alive }) => [role, alive])).toEqual([
    ["actors", 1],
    ["gateways", 0],
    ["sinks", 0],
    ["apis", 1],
    ["menders", 1],
  ]);
});

test("the embedded process is one group of one", () => {
  const cluster = aCluster([aMember("doppel")], { mode: "embedded", placement: null });
  expect(groupsOf(cluster, nowMs).map(({ role, alive }) => [role, alive])).toEqual([["doppel", 1]]);
});

test("the dead stay for ten minutes unless another has their name; then they are only named", () => {
  const dead = (id: string, beatMs: number, name = id) => aMember(id, { name, role: "actors", alive: false, beatMs });
  const members = [
    dead("actors-1-old", 500_000, "actors-1"),
    aMember("actors-1"),
    dead("actors-2-first", 100_000, "actors-2"),
    dead("actors-2-second", 590_000, "actors-2"),
    dead("actors-3", -1),
  ];
  const [hosts] = groupsOf(aCluster(members), nowMs);
  expect(names(hosts?.shown ?? [])).toEqual(["actors-1", "actors-2-second"]);
  expect(names(hosts?.earlier ?? [])).toEqual(["actors-3"]);
  expect(hosts?.alive).toBe(1);
});
