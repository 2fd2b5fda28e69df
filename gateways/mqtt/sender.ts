/** Who a publish comes from, what its topic means, and the words of a refusal. */
import { type Route, routeOf } from "../../core/wire/topics.ts";
import type { MqttConnection, PublishOutcome } from "./broker-port.ts";

/** `device` is null for apps, which may speak to any topic; `connection` for those that came over HTTP or a broker. */
export type Sender = {
  readonly device: string | null;
  readonly session: string | null;
  readonly connection: MqttConnection | null;
  /** The topic that it published to last, and what that meant: most devices repeat one. */
  last: { readonly topic: string; readonly route: Route } | null;
};

export type RefusalCode = Extract<PublishOutcome, { kind: "refuse" }>["reasonCode"];
export type Refusal = { readonly code: RefusalCode; readonly reason: string; readonly detail: string };

export function senderOf(connection: MqttConnection): Sender {
  const { principal, id } = connection;
  return principal.kind === "device"
    ? { device: principal.device, session: id, connection, last: null }
    : { device: null, session: null, connection, last: null };
}

/** An app over HTTP. */
export function appSender(): Sender {
  return { device: null, session: null, connection: null, last: null };
}

export function routeFrom(sender: Sender, topic: string): Route {
  if (sender.last?.topic !== topic) sender.last = { topic, route: routeOf(topic) };
  return sender.last.route;
}

export function notYours(sender: Sender, topic: string, route: Route): Refusal {
  if (route.kind === "reserved")
    return { code: 0x90, reason: "reserved-topic", detail: `Nobody but the system publishes to ${clip(topic)}.` };
  return {
    code: 0x87,
    reason: "foreign-topic",
    detail: `${sender.device} may publish only below devices/${sender.device}/ and $aws/things/${sender.device}/, not to ${clip(topic)}.`,
  };
}

export const badStatus: Refusal = {
  code: 0x99,
  reason: "bad-status",
  detail: 'A status is the text "online" or "offline".',
};

function clip(topic: string): string {
  return topic.length > 100 ? `${topic.slice(0, 100)}…` : topic;
}
