import type { Cluster, Member } from "../src/contract.ts";

export const startedMs = Date.UTC(2026, 10, 21, 12);

/** A whole member; its role is its name without the number. `beatMs`: after the start. */
export function aMember(id: string, about: Partial<Member> & { beatMs?: number } = {}): Member {
  const { beatMs = 600_000, ...rest } = about;
  const name = rest.name ?? id;
  return {
    ...{ id, name, role: name.replace(/-\d+$/, ""), version: "0.1.0", address: "http://127.0.0.1:8101", alive: true },
    startedAt: new Date(startedMs).toISOString(),
    seenAt: new Date(startedMs + beatMs).toISOString(),
    status: {},
    ...rest,
  };
}

export function aCluster(members: Member[], about: Partial<Cluster> = {}): Cluster {
  return {
    mode: "distributed",
    members,
    twinsInMemory: 0,
    sinkLag: { timeseries: 0, fleet: 0 },
    placement: { connected: true, version: "7" },
    dependencies: { database: { ok: true } },
    ...about,
  };
}
