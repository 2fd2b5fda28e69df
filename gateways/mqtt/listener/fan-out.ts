import type { OutgoingPublish } from "../broker-port.ts";
import { toKeep } from "./payload.ts";
import type { Delivery, Message } from "./publish-encoder.ts";
import type { Session, Subscription } from "./session.ts";
import type { SubscriptionTree } from "./subscription-tree.ts";

/**
 * Hands a message to every session that has a matching subscription: once each, at the highest QoS that its matching
 * subscriptions grant [MQTT-3.3.5-1], never above the publisher's. Gives how many got or will get it.
 */
export function fanOut(
  tree: SubscriptionTree<Session, Subscription>,
  message: Message,
  publish: Pick<OutgoingPublish, "qos" | "retain" | "from">,
): number {
  let first: { session: Session; subscription: Subscription } | null = null;
  let others: Map<Session, Subscription[]> | null = null;
  tree.match(message.topic, (session, subscription) => {
    if (subscription.noLocal && publish.from?.clientId === session.clientId) return; // [MQTT-3.8.3-3]
    if (first === null) {
      first = { session, subscription };
      return;
    }
    others ??= new Map([[first.session, [first.subscription]]]);
    const known = others.get(session);
    if (known === undefined) others.set(session, [subscription]);
    else known.push(subscription);
  });
  if (others === null) {
    const only = first as { session: Session; subscription: Subscription } | null; // assigned in the callback
    return only?.session.outgoing.deliver(delivery(message, publish, [only.subscription])) ? 1 : 0;
  }
  let reached = 0;
  for (const [session, subscriptions] of others as Map<Session, Subscription[]>) {
    if (session.outgoing.deliver(delivery(message, publish, subscriptions))) reached++;
  }
  return reached;
}

function delivery(
  message: Message,
  publish: Pick<OutgoingPublish, "qos" | "retain">,
  subscriptions: readonly Subscription[],
): Delivery {
  let granted: 0 | 1 | 2 = 0;
  let asPublished = false;
  let identifiers: number[] | null = null;
  for (const subscription of subscriptions) {
    if (subscription.qos > granted) granted = subscription.qos;
    asPublished ||= subscription.retainAsPublished;
    if (subscription.identifier !== null) {
      identifiers ??= [];
      identifiers.push(subscription.identifier);
    }
  }
  return {
    message,
    qos: lower(granted, publish.qos),
    retain: asPublished && publish.retain === true,
    identifiers,
  };
}

/** The QoS of a delivery: what is granted, but not more than the message has [MQTT-3.8.4-8]. */
export function lower(granted: 0 | 1 | 2, published: 0 | 1 | 2): 0 | 1 | 2 {
  return granted < published ? granted : published;
}

/** The message that a publish of the application carries. */
export function messageOf(publish: OutgoingPublish, nowMs: number): Message {
  const { payload } = publish;
  const properties = publish.properties ?? null;
  return {
    topic: publish.topic,
    payload: typeof payload === "string" ? Buffer.from(payload, "utf8") : toKeep(payload),
    properties,
    expiresAtMs: expiry(properties?.messageExpiryInterval, nowMs),
  };
}

export function expiry(seconds: number | undefined, nowMs: number): number | null {
  return seconds === undefined ? null : nowMs + seconds * 1_000;
}
