import type { Membership, SeenMember } from "../ports/membership/port.ts";
import type { ClusterState } from "./cluster.ts";

/** What of a sidecar the view asks. */
type Sidecar = { metadata(): Promise<{ readonly placement: string; readonly runtimeVersion: string }> };

export type ClusterView = {
  /** At most `freshMs` old. Rejects when the membership cannot be read. */
  read(): Promise<ClusterState>;
  /** Sums over the hosts as of the last reading, for who cannot wait. */
  totals(): { readonly twinsInMemory: number; readonly deadlines: number; readonly committedOffset: number };
  stop(): void;
};

const freshMs = 500;

/** The processes of the distributed mode, from their own heartbeats. */
export function openClusterView(parts: {
  readonly membership: Pick<Membership, "members">;
  readonly sidecar: Sidecar;
  readonly now: () => number;
}): ClusterView {
  const { membership, sidecar, now } = parts;
  let newest: { readonly atMs: number; readonly state: Promise<ClusterState> } | null = null;
  let known: readonly SeenMember[] = [];

  async function look(): Promise<ClusterState> {
    const [members, placement] = await Promise.all([membership.members(), placementOf(sidecar)]);
    known = members;
    return {
      mode: "distributed",
      members,
      twinsInMemory: sumOf(members, "actors", "twins"),
      sinkLag: sinkLagOf(members),
      placement,
    };
  }

  const read = () => {
    if (newest === null || now() - newest.atMs >= freshMs) {
      const state = look();
      newest = { atMs: now(), state };
      state.catch(() => {
        newest = null;
      });
    }
    return newest.state;
  };
  const timer = setInterval(() => void read().catch(() => {}), 1_000);

  return {
    read,
    totals: () => ({
      twinsInMemory: sumOf(known, "actors", "twins"),
      deadlines: sumOf(known, "actors", "deadlines"),
      committedOffset: 0, // Kafka has one for each partition
    }),
    stop: () => clearInterval(timer),
  };
}

/** What the archive has not stored yet waits to fill a file: queries do not miss it. */
const gathering = new Set(["lagArchive"]);

/** By sink. Each member of a group sees the lag of the whole group. */
function sinkLagOf(members: readonly SeenMember[]): Record<string, number> {
  const told = members.flatMap(({ role, alive, status }) => (role === "sinks" && alive ? Object.keys(status) : []));
  const lags = [...new Set(told)].filter((what) => /^lag[A-Z]/.test(what) && !gathering.has(what));
  return Object.fromEntries(
    lags.map((what) => [
      what.slice(3, 4).toLowerCase() + what.slice(4),
      Math.max(0, ...toldBy(members, "sinks", what)),
    ]),
  );
}

function sumOf(members: readonly SeenMember[], role: SeenMember["role"], what: string): number {
  return toldBy(members, role, what).reduce((sum, told) => sum + told, 0);
}

/** A number that the living members of a role tell of themselves. */
function toldBy(members: readonly SeenMember[], role: SeenMember["role"], what: string): number[] {
  return members.flatMap(({ role: of, alive, status }) => {
    const told = status[what];
    return of === role && alive && typeof told === "number" ? [told] : [];
  });
}

async function placementOf(sidecar: Sidecar): Promise<ClusterState["placement"]> {
  try {
    const { placement, runtimeVersion } = await sidecar.metadata();
    return { connected: placement.endsWith(": connected"), version: runtimeVersion };
  } catch {
    return { connected: false, version: "" };
  }
}
