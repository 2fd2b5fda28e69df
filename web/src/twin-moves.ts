import type { Cluster } from "./contract.ts";

/** Twins of each host before the hosts changed, to show how many each took or gave since. */
export type TwinMoves = {
  /** Of the newest change of hosts, by the browser's clock. */
  changedAtMs: number;
  /** By member id. A host that was not there yet is not in it. */
  before: ReadonlyMap<string, number>;
};

/** How long after a change of hosts the moves are of interest. */
const shownMs = 120_000;

/** The moves to show with picture `after`; changes of hosts in quick succession are shown as one. */
export function movesAfter(
  moves: TwinMoves | null,
  before: Cluster | null,
  after: Cluster,
  nowMs: number,
): TwinMoves | null {
  const current = moves !== null && nowMs - moves.changedAtMs < shownMs ? moves : null;
  if (before === null || hosts(before).join() === hosts(after).join()) return current;
  return { changedAtMs: nowMs, before: current?.before ?? twinsById(before) };
}

/** By how much a host's twins have changed since the hosts did. */
export function moved(moves: TwinMoves | null, id: string, twins: number): number {
  return moves === null ? 0 : twins - (moves.before.get(id) ?? 0);
}

function hosts(cluster: Cluster): string[] {
  return cluster.members
    .filter(({ alive, status }) => alive && "twins" in status)
    .map(({ id }) => id)
    .sort();
}

function twinsById(cluster: Cluster): Map<string, number> {
  return new Map(cluster.members.map(({ id, status }) => [id, typeof status.twins === "number" ? status.twins : 0]));
}
