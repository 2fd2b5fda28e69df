import type { Principal, PublishOutcome } from "../broker-port.ts";
import { IncomingQos2 } from "./incoming-qos2.ts";
import { Outgoing, type OutgoingLimits } from "./outgoing.ts";

/** One filter of one session. */
export type Subscription = {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly identifier: number | null;
};

/** What outlives a connection of a client (MQTT 5.0 §4.1): subscriptions, unacknowledged messages both ways. */
export class Session {
  readonly clientId: string;
  readonly principal: Principal;
  readonly subscriptions = new Map<string, Subscription>();
  readonly incomingQos2 = new IncomingQos2<PublishOutcome>();
  readonly outgoing: Outgoing;
  /** How long it is kept without a connection; 0: it ends with it. */
  expiryMs = 0;
  presence: SessionPresence = { kind: "away", endsAtMs: 0, will: null };

  constructor(
    clientId: string,
    principal: Principal,
    limits: OutgoingLimits,
    now: () => number,
    dropped: (count: number) => void,
  ) {
    this.clientId = clientId;
    this.principal = principal;
    this.outgoing = new Outgoing(limits, now, dropped);
  }
}

/** `connected.end` ends that connection. A delayed will waits with the session (MQTT 5.0 §3.1.3.2.2). */
export type SessionPresence =
  | { readonly kind: "connected"; readonly end: (reason: "taken over") => void }
  | { readonly kind: "away"; readonly endsAtMs: number; readonly will: DelayedWill | null };

export type DelayedWill = { readonly dueAtMs: number; readonly fire: () => void };
