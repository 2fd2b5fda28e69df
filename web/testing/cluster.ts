import type { Cluster, Member } from "../src/contract.ts";
import { random } from "./fleet.ts";

/**
 * A made-up cluster: 1 member is the embedded process, more are hosts, gateways, sinks and APIs. When a host dies its
 * twins wake on the others over some seconds; when it comes back they come back as slowly.
 */
export function makeCluster(options: { members: number; twins: number; nowMs: number }) {
  const { members: count, twins, nowMs } = options;
  const next = random(11);
  const starts = new Map<string, number>();
  const members = rolesOf(count).map((role, index, roles): Member => {
    const name =
      role === "doppel" ? role : `${role}-${roles.slice(0, index + 1).filter((other) => other === role).length}`;
    return start(role, name, nowMs - 9_000_000 - Math.floor(next() * 9_000_000), 8101 + index);
  });
  const hosts = () => members.filter(({ alive, status }) => alive && "twins" in status);
  const weights = new Map(members.map(({ name }) => [name, 0.92 + next() * 0.16]));
  for (const host of hosts()) host.status.twins = target(host);
  let placementVersion = 7;
  const dependencies: Cluster["dependencies"] =
    count === 1
      ? { database: { ok: true }, "sink timeseries": { ok: true, detail: "0 records behind" } }
      : { database: { ok: true }, kafka: { ok: true }, redis: { ok: true }, sidecar: { ok: true } };

  function start(role: string, name: string, startedAtMs: number, port: number): Member {
    starts.set(name, (starts.get(name) ?? 0) + 1);
    return {
      id: `${name}-${starts.get(name)}`,
      ...{ name, role, version: "0.1.0", address: `http://127.0.0.1:${port}`, alive: true },
      startedAt: new Date(startedAtMs).toISOString(),
      seenAt: new Date(startedAtMs).toISOString(),
      status: statusOf(role),
    };
  }
  function target(host: Member): number {
    const sum = hosts().reduce((total, { name }) => total + (weights.get(name) ?? 1), 0);
    return Math.round((twins * (weights.get(host.name) ?? 1)) / sum);
  }
  const named = (name: string) => members.findLast((member) => member.name === name)!;
  return {
    members,
    dependencies,
    /** The picture that GET /v1/cluster gives. With each one, twins have moved on. */
    view(atMs: number): Cluster {
      for (const member of members.filter(({ alive }) => alive)) {
        member.seenAt = new Date(atMs - Math.floor(next() * 900)).toISOString();
        advance(member, next);
      }
      for (const host of hosts()) {
        const carried = Number(host.status.twins);
        host.status.twins = carried + Math.round((target(host) - carried) * 0.45);
      }
      return {
        mode: count === 1 ? "embedded" : "distributed",
        members,
        twinsInMemory: hosts().reduce((sum, { status }) => sum + Number(status.twins), 0),
        sinkLag: { timeseries: 30 + Math.floor(next() * 40), fleet: Math.floor(next() * 20) },
        placement: count === 1 ? null : { connected: true, version: String(placementVersion) },
        dependencies,
      };
    },
    kill(name: string): void {
      named(name).alive = false;
      placementVersion += 1;
    },
    /** Another process of the same name. */
    restart(name: string, atMs: number): void {
      const { role, address } = named(name);
      const at = members.indexOf(named(name)) + 1;
      members.splice(at, 0, start(role, name, atMs, Number(new URL(address).port)));
      placementVersion += 1;
    },
  };
}

function rolesOf(count: number): string[] {
  if (count === 1) return ["doppel"];
  const gateways = Math.max(1, Math.floor(count / 5) + (count < 10 ? 1 : 0));
  const sinks = Math.max(1, Math.floor(count / 10));
  const hosts = count - gateways - 2 * sinks;
  const many = (role: string, howMany: number) => Array<string>(howMany).fill(role);
  return [...many("actors", hosts), ...many("gateways", gateways), ...many("sinks", sinks), ...many("apis", sinks)];
}

function statusOf(role: string): Member["status"] {
  switch (role) {
    case "doppel":
      return { twins: 0, deadlines: 310, pending: 2 };
    case "actors":
      return {
        ...{
          twins: 0,
          deadlines: 310,
          pending: 2,
          outboxWaiting: 0,
          turns: 812_345,
          stale: 3,
          unsent: 0,
          unreadable: 0,
        },
        ...{ woken: 12, sidecar: true, softState: "ok" },
      };
    case "gateways":
      return { connected: true, messagesPerSecond: 1_204, batchesUnderWay: 4, refused: 0 };
    case "sinks":
      return { ready: true, timeseries: 4_812_001, fleet: 4_811_990, lagTimeseries: 40, lagFleet: 12 };
    default:
      return { liveConnections: 3, requestsPerSecond: 4.2 };
  }
}

function advance({ status }: Member, next: () => number): void {
  const some = (most: number) => Math.floor(next() * most);
  if ("pending" in status) status.pending = some(6);
  if ("outboxWaiting" in status) status.outboxWaiting = some(3);
  if ("turns" in status) status.turns = Number(status.turns) + 600 + some(100);
  if ("messagesPerSecond" in status) status.messagesPerSecond = 1_100 + some(200);
  if ("lagTimeseries" in status) status.lagTimeseries = 30 + some(40);
  if ("lagFleet" in status) status.lagFleet = some(20);
}
