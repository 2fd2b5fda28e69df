import type { Principal } from "../broker-port.ts";
import type { Limits } from "./limits.ts";
import { type DelayedWill, Session, type Subscription } from "./session.ts";
import type { SubscriptionTree } from "./subscription-tree.ts";

/**
 * The sessions of all clients, connected and away.
 *
 * S1 One session and at most one connection per client id: a new connection ends the old one first [MQTT-3.1.4-3].
 * S2 A session is resumed only by the principal that it belongs to.
 * S3 Sessions that are away end at their expiry, or as the longest away when there are too many.
 * S4 A delayed will is fired when it is due or its session ends, and forgotten when the session is resumed.
 */
export class Sessions {
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #tree: SubscriptionTree<Session, Subscription>;
  readonly #dropped: (count: number) => void;
  readonly #byClient = new Map<string, Session>();
  /** Longest away first. */
  readonly #away = new Set<Session>();

  constructor(
    limits: Limits,
    now: () => number,
    tree: SubscriptionTree<Session, Subscription>,
    dropped: (count: number) => void,
  ) {
    this.#limits = limits;
    this.#now = now;
    this.#tree = tree;
    this.#dropped = dropped;
  }

  /** Sessions that are kept for clients that are away. */
  get kept(): number {
    return this.#away.size;
  }

  /** Messages that wait, of all sessions. */
  get queued(): number {
    let queued = 0;
    for (const session of this.#byClient.values()) queued += session.outgoing.queued;
    return queued;
  }

  /** `foreign`: a connected client of another principal has the id. */
  open(
    clientId: string,
    principal: Principal,
    cleanStart: boolean,
  ): { session: Session; present: boolean } | "foreign" {
    const before = this.#byClient.get(clientId);
    if (before?.presence.kind === "connected") {
      if (!samePrincipal(before.principal, principal)) return "foreign";
      before.presence.end("taken over"); // S1
    }
    const known = this.#byClient.get(clientId);
    if (known !== undefined) {
      if (!cleanStart && samePrincipal(known.principal, principal)) {
        this.#away.delete(known);
        return { session: known, present: true };
      }
      this.end(known); // S2
    }
    const session = new Session(clientId, principal, this.#limits, this.#now, this.#dropped);
    this.#byClient.set(clientId, session);
    return { session, present: false };
  }

  /** Its connection has ended; `will` is one that is to wait. */
  left(session: Session, will: DelayedWill | null): void {
    session.outgoing.detach();
    const nowMs = this.#now();
    session.presence = { kind: "away", endsAtMs: nowMs + session.expiryMs, will };
    if (session.expiryMs === 0) {
      this.end(session);
      return;
    }
    this.#away.add(session);
    if (this.#away.size > this.#limits.maxKeptSessions) {
      for (const longest of this.#away) {
        this.end(longest);
        break;
      }
    }
  }

  end(session: Session): void {
    const { presence } = session;
    this.#byClient.delete(session.clientId);
    this.#away.delete(session);
    for (const filter of session.subscriptions.keys()) this.#tree.delete(filter, session);
    if (presence.kind !== "away") return;
    session.presence = { ...presence, will: null };
    presence.will?.fire(); // S4
  }

  sweep(): void {
    const nowMs = this.#now();
    for (const session of this.#away) {
      const { presence } = session;
      if (presence.kind !== "away") continue;
      if (presence.endsAtMs <= nowMs) this.end(session);
      else if (presence.will !== null && presence.will.dueAtMs <= nowMs) {
        session.presence = { ...presence, will: null };
        presence.will.fire();
      }
    }
  }

  /** On shutdown: nothing fires any more. */
  forget(): void {
    this.#byClient.clear();
    this.#away.clear();
  }
}

function samePrincipal(a: Principal, b: Principal): boolean {
  if (a.kind === "device") return b.kind === "device" && a.device === b.device;
  return b.kind === "app" && a.name === b.name;
}
