import type { MqttApplication } from "../broker-port.ts";
import type { Limits } from "./limits.ts";
import type { FlushAtTickEnd } from "./outbox.ts";
import type { RetainedMessages } from "./retained.ts";
import type { Session, Subscription } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import type { SubscriptionTree } from "./subscription-tree.ts";

/** What all connections of one listener share. */
export type Listening = {
  readonly application: MqttApplication;
  readonly limits: Limits;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly sessions: Sessions;
  readonly subscriptions: SubscriptionTree<Session, Subscription>;
  readonly retained: RetainedMessages;
  readonly flusher: FlushAtTickEnd;
  readonly newConnectionId: () => string;
  readonly newClientId: () => string;
  /** For failures of others that end here: the application, the retained store. A pino logger fits. */
  readonly log: ListenerLog;
};

export type ListenerLog = { warn(details: object, message: string): void };
