/** A running process of the distributed mode, as it says of itself. */
export type Member = {
  /** Unique per start of a process. */
  readonly id: string;
  /** "doppel": the embedded process, which is all of them. */
  readonly role: "actors" | "gateways" | "sinks" | "apis" | "doppel";
  /** What people call it: "actors-2". */
  readonly name: string;
  readonly version: string;
  readonly startedAtMs: number;
  /** Where its health and metrics are asked: "http://127.0.0.1:8101". */
  readonly address: string;
  /** Twins in memory by actor type, connections, lag, trouble: whatever the role has to tell. Small. */
  readonly status: Readonly<Record<string, number | string | boolean>>;
};

export type SeenMember = Member & {
  /** At its last beat, epoch ms, by the clock of the store. */
  readonly seenAtMs: number;
  readonly alive: boolean;
};

/**
 * Who is there. Each process beats each second; one without a beat for `deadAfterMs` (5 s) counts as dead, by the clock of
 * the store, not of the processes.
 */
export interface Membership {
  /** Says that this member is there, with its status. */
  beat(member: Member): Promise<void>;
  /** Says goodbye: it counts as dead at once, and a beat that comes late does not bring it back. */
  leave(id: string): Promise<void>;
  /** The living and those that died within the last hour, by role and name. */
  members(): Promise<readonly SeenMember[]>;
}

/** How long the dead are remembered. */
export const forgetAfterMs = 3_600_000;

/** Of the same role and name, who started last comes last. */
export function byRoleAndName(a: Member, b: Member): number {
  if (a.role !== b.role) return a.role < b.role ? -1 : 1;
  const byName = a.name.localeCompare(b.name, "en", { numeric: true });
  return byName !== 0 ? byName : a.startedAtMs - b.startedAtMs;
}
