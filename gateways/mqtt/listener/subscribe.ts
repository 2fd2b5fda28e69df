import { generate, type ISubscribePacket, type ISubscription, type IUnsubscribePacket } from "mqtt-packet";
import type { Client } from "./client.ts";
import type { Connection } from "./connection.ts";
import { lower } from "./fan-out.ts";
import type { Listening } from "./listening.ts";
import type { Subscription } from "./session.ts";
import { filterProblem, isShared } from "./topic-filter.ts";

/** SUBSCRIBE: the SUBACK, then what is retained, then the application hears of it. */
export function subscribe(
  packet: ISubscribePacket,
  client: Client,
  connection: Connection,
  listening: Listening,
): void {
  if (packet.subscriptions.length === 0) {
    // [MQTT-3.8.3-3]
    connection.violation("protocol error", 0x82);
    return;
  }
  const { session, identity } = client;
  const identifier = packet.properties?.subscriptionIdentifier ?? null;
  const granted: number[] = [];
  const made: { subscription: Subscription; sendRetained: boolean }[] = [];
  for (const asked of packet.subscriptions) {
    const refusal = refusalOf(asked, client, listening);
    if (refusal !== null) {
      granted.push(identity.protocolVersion === 5 ? refusal : 0x80);
      continue;
    }
    const filter = asked.topic;
    const isNew = !session.subscriptions.has(filter);
    const subscription: Subscription = {
      filter,
      qos: asked.qos,
      noLocal: asked.nl ?? false,
      retainAsPublished: asked.rap ?? false,
      identifier,
    };
    session.subscriptions.set(filter, subscription);
    listening.subscriptions.set(filter, session, subscription);
    granted.push(asked.qos);
    const handling = asked.rh ?? 0; // MQTT 5.0 §3.8.3.1: 0 always, 1 if new, 2 never
    made.push({ subscription, sendRetained: handling === 0 || (handling === 1 && isNew) });
  }
  const messageId = packet.messageId ?? 0;
  connection.outbox.send(
    generate({ cmd: "suback", messageId, granted }, { protocolVersion: identity.protocolVersion }),
  );
  for (const { subscription, sendRetained } of made) {
    if (sendRetained) deliverRetained(subscription, client, listening);
  }
  for (const { subscription } of made) {
    if (connection.identity === null) return; // ended by the application
    listening.application.subscribed(identity, subscription.filter, false);
  }
}

/** UNSUBSCRIBE. */
export function unsubscribe(
  packet: IUnsubscribePacket,
  client: Client,
  connection: Connection,
  listening: Listening,
): void {
  if (packet.unsubscriptions.length === 0) {
    // [MQTT-3.10.3-2]
    connection.violation("protocol error", 0x82);
    return;
  }
  const { session, identity } = client;
  const granted: number[] = [];
  for (const filter of packet.unsubscriptions) {
    const had = session.subscriptions.delete(filter);
    if (had) listening.subscriptions.delete(filter, session);
    granted.push(had ? 0 : 0x11);
  }
  const messageId = packet.messageId ?? 0;
  connection.outbox.send(
    generate({ cmd: "unsuback", messageId, granted }, { protocolVersion: identity.protocolVersion }),
  );
}

/** MQTT 5's reason code for a subscription that is not made, or null. */
function refusalOf(asked: ISubscription, client: Client, { application, limits }: Listening): number | null {
  if (isShared(asked.topic)) return 0x9e;
  if (filterProblem(asked.topic) !== null) return 0x8f;
  if (!application.maySubscribe(client.identity, asked.topic)) return 0x87;
  const { subscriptions } = client.session;
  if (subscriptions.size >= limits.maxSubscriptionsPerSession && !subscriptions.has(asked.topic)) return 0x97;
  return null;
}

function deliverRetained(subscription: Subscription, client: Client, { retained, now }: Listening): void {
  const identifiers = subscription.identifier === null ? null : [subscription.identifier];
  const deliveries = retained.matching(subscription.filter, now()).map(({ message, qos }) => {
    return { message, qos: lower(subscription.qos, qos), retain: true, identifiers };
  });
  if (deliveries.length > 0) client.session.outgoing.deliverRetained(deliveries);
}
