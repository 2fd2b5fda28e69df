import type { Cluster, Member } from "./contract.ts";
import { formatNumber } from "./format.ts";

/** Something that changed in the cluster. `atMs` is by the browser's clock. */
export type ClusterEvent = {
  key: string;
  atMs: number;
  tone: "online" | "offline" | "bad" | "plain";
  title: string;
  detail: string;
};

/**
 * What happened between two pictures of the cluster: processes first, newest first, then what follows from them; without an earlier one, what the picture itself
 * tells of the last hour: who died, and who came in their place. `skewMs` leads from the store's clock to the browser's.
 */
export function clusterEvents(before: Cluster | null, after: Cluster, nowMs: number, skewMs: number): ClusterEvent[] {
  const processes = [
    ...after.members.flatMap((member) => memberEvents(before, after, member, nowMs, skewMs)),
    ...vanished(before, after).map((member) => gone(member, nowMs)),
  ];
  return [
    ...processes.sort((a, b) => b.atMs - a.atMs),
    ...dependencyEvents(before, after, nowMs),
    ...placementEvents(before, after, nowMs),
  ];
}

function memberEvents(before: Cluster | null, after: Cluster, member: Member, nowMs: number, skewMs: number) {
  const was = before?.members.find(({ id }) => id === member.id);
  const here = (at: string) => Math.min(nowMs, Date.parse(at) + skewMs);
  if (!member.alive) return was?.alive === false ? [] : [gone(member, here(member.seenAt))];
  if (was === undefined) {
    const of = [...(before?.members ?? []), ...after.members].filter(
      ({ id, role, name }) => id !== member.id && role === member.role && name === member.name,
    );
    if (of.length > 0) return [came("is back", member, here(member.startedAt))];
    return before === null ? [] : [came("joined", member, here(member.startedAt))];
  }
  if (!was.alive) return [came("is back", member, nowMs)];
  if (was.status.sidecar === true && member.status.sidecar === false) {
    return [event(member.id, nowMs, "bad", `${member.name} lost its sidecar`)];
  }
  if (was.status.sidecar === false && member.status.sidecar === true) {
    return [event(member.id, nowMs, "online", `${member.name} has its sidecar again`)];
  }
  return [];
}

/** Living ones of which the newer picture knows nothing at all. */
function vanished(before: Cluster | null, after: Cluster): Member[] {
  const ids = new Set(after.members.map(({ id }) => id));
  return (before?.members ?? []).filter(({ id, alive }) => alive && !ids.has(id));
}

function dependencyEvents(before: Cluster | null, after: Cluster, nowMs: number): ClusterEvent[] {
  return Object.entries(after.dependencies).flatMap(([name, { ok, detail }]) => {
    const was = before?.dependencies[name];
    if (was === undefined || was.ok === ok) return [];
    if (ok) return [event(name, nowMs, "online", `${name} is ok again`)];
    return [event(name, nowMs, "bad", `${name} is failing`, detail)];
  });
}

function placementEvents(before: Cluster | null, after: Cluster, nowMs: number): ClusterEvent[] {
  if (!before?.placement || !after.placement) return [];
  const { connected, version } = after.placement;
  if (before.placement.connected !== connected) {
    const title = connected ? "Placement is connected again" : "Placement is away";
    return [event("placement", nowMs, connected ? "online" : "bad", title)];
  }
  if (before.placement.version === version) return [];
  const detail = `version ${version}, was ${before.placement.version}`;
  return [event("placement", nowMs, "plain", "Placement spread the twins anew", detail)];
}

function gone(member: Member, atMs: number): ClusterEvent {
  const { twins } = member.status;
  const carried = typeof twins === "number" && twins > 0;
  const detail = carried ? `it carried ${formatNumber(twins)} ${twins === 1 ? "twin" : "twins"}` : "";
  return event(member.id, atMs, "offline", `${member.name} is gone`, detail);
}

function came(how: "joined" | "is back", member: Member, atMs: number): ClusterEvent {
  return event(member.id, atMs, "online", `${member.name} ${how}`);
}

function event(about: string, atMs: number, tone: ClusterEvent["tone"], title: string, detail = ""): ClusterEvent {
  return { key: `${about}/${title}/${atMs}`, atMs, tone, title, detail };
}
