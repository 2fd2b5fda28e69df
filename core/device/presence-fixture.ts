/** For tests: one device watched the way a turn watches it, with the clock in the test's hands. */
import type { TwinContext } from "./inputs.ts";
import { defaultPolicy, type TwinPolicy } from "./policy.ts";
import {
  duePresenceEdge,
  neverSeen,
  type Presence,
  type PresenceEdge,
  presenceDeadline,
  type Session,
  statusOf,
  stepPresence,
} from "./presence.ts";
import type { PresenceChanged } from "./records.ts";

export function aSession(id: string, connectedAtMs: number, node = "n1"): Session {
  return { id, connectedAtMs, node };
}

export class WatchedDevice {
  presence: Presence = neverSeen;
  lastSeenMs = 0;
  policy: TwinPolicy;
  node: TwinContext["node"];
  readonly records: PresenceChanged[] = [];

  constructor(policy: Partial<TwinPolicy> = {}, node: TwinContext["node"] = { id: "n1", startedAtMs: 0 }) {
    this.policy = { ...defaultPolicy, ...policy };
    this.node = node;
  }

  /** "online at 5", … as apps were told. */
  get announcements(): string[] {
    return this.records.flatMap(({ announced }) =>
      announced ? [`${announced.status} since ${announced.sinceMs}`] : [],
    );
  }

  get status(): "online" | "offline" {
    return statusOf(this.presence);
  }

  get deadlineMs(): number | null {
    return presenceDeadline(this.presence, this.lastSeenMs, this.policy, this.node);
  }

  step(edge: PresenceEdge, atMs: number): PresenceChanged | null {
    const changed = stepPresence(this.presence, edge, atMs, this.policy);
    if (changed === null) return null;
    this.records.push(changed);
    this.presence = changed.presence;
    if (edge.type === "connected" || edge.type === "heard") this.lastSeenMs = Math.max(this.lastSeenMs, atMs);
    return changed;
  }

  connect(id: string, atMs: number, node = this.node?.id ?? "n1"): void {
    this.step({ type: "connected", session: aSession(id, atMs, node) }, atMs);
  }

  breakOff(session: string, atMs: number): void {
    this.step({ type: "disconnected", session, graceful: false, reason: "socket closed" }, atMs);
  }

  leave(session: string, atMs: number): void {
    this.step({ type: "disconnected", session, graceful: true, reason: "client disconnected" }, atMs);
  }

  message(session: string | null, atMs: number): void {
    if (this.presence.phase !== "online") this.step({ type: "heard", session }, atMs);
    this.lastSeenMs = Math.max(this.lastSeenMs, atMs);
  }

  /** The shell's look at the clock: what has elapsed by `atMs`. Fails if that never comes to an end. */
  look(atMs: number): void {
    for (let round = 0; round < 5; round += 1) {
      const due = duePresenceEdge(this.presence, this.lastSeenMs, atMs, this.policy, this.node);
      if (due === null) return;
      if (this.step(due, atMs) === null) throw new Error(`${due.type} was due but changed nothing`);
    }
    throw new Error("something is always due");
  }
}
