import { generate } from "mqtt-packet";
import type { PublishProperties } from "../broker-port.ts";

/** A message on its way to subscribers; one object for all of them. */
export type Message = {
  readonly topic: string;
  readonly payload: Buffer;
  readonly properties: PublishProperties | null;
  /** From then on it is not sent any more (MQTT 5 Message Expiry Interval). */
  readonly expiresAtMs: number | null;
};

/** One subscriber's copy of it. */
export type Delivery = {
  readonly message: Message;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Of the matching subscriptions (MQTT 5). */
  readonly identifiers: readonly number[] | null;
};

/** A PUBLISH as bytes. `packetId` only for QoS 1 and 2; `nowMs` for what is left of the message's life. */
export function encodePublish(
  delivery: Delivery,
  to: { protocolVersion: 3 | 4 | 5; packetId: number; dup: boolean; nowMs: number },
): Buffer {
  const { message, qos, retain } = delivery;
  if (to.protocolVersion === 5 && (message.properties !== null || delivery.identifiers !== null)) {
    return generate(
      {
        cmd: "publish",
        topic: message.topic,
        payload: message.payload,
        qos,
        retain,
        dup: to.dup,
        messageId: to.packetId,
        properties: propertiesFor(delivery, to.nowMs) as never,
      },
      { protocolVersion: 5 },
    );
  }
  const topicBytes = Buffer.byteLength(message.topic);
  const variable = 2 + topicBytes + (qos > 0 ? 2 : 0) + (to.protocolVersion === 5 ? 1 : 0);
  const length = variable + message.payload.length;
  const header = 1 + lengthBytes(length);
  const bytes = Buffer.allocUnsafe(header + length);
  bytes[0] = 0x30 | (to.dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  let at = 1;
  for (let left = length; ; ) {
    const digit = left & 0x7f;
    left >>>= 7;
    bytes[at++] = left > 0 ? digit | 0x80 : digit;
    if (left === 0) break;
  }
  at = bytes.writeUInt16BE(topicBytes, at);
  at += bytes.write(message.topic, at, "utf8");
  if (qos > 0) at = bytes.writeUInt16BE(to.packetId, at);
  if (to.protocolVersion === 5) bytes[at++] = 0;
  message.payload.copy(bytes, at);
  return bytes;
}

function propertiesFor(delivery: Delivery, nowMs: number): object {
  const { properties, expiresAtMs } = delivery.message;
  const sent: Record<string, unknown> = { ...properties };
  if (expiresAtMs !== null) sent.messageExpiryInterval = Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1000));
  else delete sent.messageExpiryInterval;
  if (properties?.correlationData !== undefined) sent.correlationData = Buffer.from(properties.correlationData);
  if (delivery.identifiers !== null) sent.subscriptionIdentifier = delivery.identifiers;
  return sent;
}

function lengthBytes(length: number): number {
  return length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4;
}
