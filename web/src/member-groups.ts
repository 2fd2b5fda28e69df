import type { Cluster, Member } from "./contract.ts";

/** The processes of a role. */
export type Group = {
  role: string;
  alive: number;
  /** The living, and the dead that are missed: dead for less than `missedMs`, and nobody has their name now. */
  shown: Member[];
  /** Dead for longer, and not replaced. */
  earlier: Member[];
};

/** How long a dead process keeps its row. */
const missedMs = 600_000;
const roles = { embedded: ["doppel"], distributed: ["actors", "gateways", "sinks", "apis"] };

/** The processes by role, in the order that they are told in. `storeNowMs`: now, by the clock of `seenAt`. */
export function groupsOf(cluster: Cluster, storeNowMs: number): Group[] {
  const expected = roles[cluster.mode];
  const others = cluster.members.map(({ role }) => role).filter((role) => !expected.includes(role));
  return [...expected, ...new Set(others)].map((role) => {
    const members = cluster.members.filter((member) => member.role === role);
    const kept = members.filter((member) => member.alive || newestOfName(members, member.name) === member);
    const late = (member: Member) => !member.alive && storeNowMs - Date.parse(member.seenAt) > missedMs;
    return {
      role,
      alive: members.filter(({ alive }) => alive).length,
      shown: kept.filter((member) => !late(member)),
      earlier: kept.filter(late),
    };
  });
}

/** The living one of that name, or who died last. */
function newestOfName(members: Member[], name: string): Member | undefined {
  return members
    .filter((member) => member.name === name)
    .sort((a, b) => Number(b.alive) - Number(a.alive) || Date.parse(b.seenAt) - Date.parse(a.seenAt))[0];
}
