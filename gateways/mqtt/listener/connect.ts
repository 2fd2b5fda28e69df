import { generate, type IConnectPacket } from "mqtt-packet";
import type { PublishProperties } from "../broker-port.ts";
import type { Limits } from "./limits.ts";
import { topicProblem } from "./topic-filter.ts";

/** What a client asked for in its CONNECT, checked. */
export type ConnectRequest = {
  readonly protocolVersion: 3 | 4 | 5;
  /** As it will be called; `assigned` if it left that to us. */
  readonly clientId: string;
  readonly assigned: boolean;
  readonly cleanStart: boolean;
  readonly expiryMs: number;
  readonly keepAliveSeconds: number;
  readonly username: string | null;
  readonly password: Buffer | null;
  readonly will: Will | null;
  /** What it takes: publishes open at once, bytes of a packet. */
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number;
  /** False: reason strings only where they are always allowed (MQTT 5.0 §3.1.2.11.7). */
  readonly wantsReasons: boolean;
};

export type Will = {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly delayMs: number;
  readonly properties: PublishProperties | null;
};

/** Why a CONNECT is refused; `close`: without an answer. */
export type Refusal =
  | "badCredentials"
  | "notAuthorized"
  | "badClientId"
  | "unsupportedVersion"
  | "unavailable"
  | "badAuthenticationMethod"
  | "badWillTopic"
  | "protocolError";

const codes: Record<Refusal, { v3: number; v5: number }> = {
  // MQTT 3.1.1 §3.2.2.3 and MQTT 5.0 §3.2.2.2; 3.1.1 has no code for the last ones.
  unsupportedVersion: { v3: 1, v5: 0x84 },
  badClientId: { v3: 2, v5: 0x85 },
  unavailable: { v3: 3, v5: 0x88 },
  badCredentials: { v3: 4, v5: 0x86 },
  notAuthorized: { v3: 5, v5: 0x87 },
  badAuthenticationMethod: { v3: 5, v5: 0x8c },
  badWillTopic: { v3: 5, v5: 0x90 },
  protocolError: { v3: 5, v5: 0x82 },
};

export function readConnect(
  packet: IConnectPacket,
  limits: Limits,
  newClientId: () => string,
): { kind: "ok"; request: ConnectRequest } | { kind: "refuse"; refusal: Refusal; reason: string } {
  const protocolVersion = packet.protocolVersion ?? 4;
  const refuse = (refusal: Refusal, reason: string) => ({ kind: "refuse" as const, refusal, reason });
  const properties = packet.properties ?? {};
  if ((protocolVersion === 3) !== (packet.protocolId === "MQIsdp")) {
    return refuse("unsupportedVersion", `protocol ${packet.protocolId} has no version ${protocolVersion}`);
  }
  const cleanStart = packet.clean ?? true;
  if (packet.clientId === "" && (protocolVersion === 3 || (protocolVersion === 4 && !cleanStart))) {
    return refuse("badClientId", "an empty client id cannot have a session"); // [MQTT-3.1.3-8]
  }
  if (protocolVersion < 5 && packet.password !== undefined && packet.username === undefined) {
    return refuse("badCredentials", "a password without a user name"); // [MQTT-3.1.2-22]
  }
  if (properties.authenticationMethod !== undefined) {
    return refuse("badAuthenticationMethod", "enhanced authentication is not supported");
  }
  if (properties.receiveMaximum === 0 || properties.maximumPacketSize === 0) {
    return refuse("protocolError", "a maximum of 0"); // MQTT 5.0 §3.1.2.11.3 and .4
  }
  let will: Will | null = null;
  if (packet.will !== undefined) {
    const { topic, payload, qos = 0, retain = false, properties: about } = packet.will;
    if (![0, 1, 2].includes(qos)) return refuse("protocolError", "a will with QoS 3"); // [MQTT-3.1.2-14]
    const problem = topicProblem(topic);
    if (problem !== null) return refuse("badWillTopic", `a will with ${problem}`);
    will = {
      topic,
      payload: Buffer.isBuffer(payload) ? payload : Buffer.from(payload),
      qos,
      retain,
      delayMs: (about?.willDelayInterval ?? 0) * 1_000,
      properties: about === undefined ? null : publishProperties(about),
    };
    if (topic.startsWith("$aws/")) will = null; // reserved topics are not for wills
  }
  const assigned = packet.clientId === "";
  return {
    kind: "ok",
    request: {
      protocolVersion,
      clientId: assigned ? newClientId() : packet.clientId,
      assigned,
      cleanStart,
      expiryMs:
        protocolVersion === 5
          ? boundedExpiry(properties.sessionExpiryInterval ?? 0, limits)
          : cleanStart
            ? 0
            : limits.maxSessionExpiryMs,
      keepAliveSeconds: packet.keepalive ?? 0,
      username: packet.username ?? null,
      password: packet.password ?? null,
      will,
      receiveMaximum: properties.receiveMaximum ?? 65_535,
      maximumPacketSize: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
      wantsReasons: properties.requestProblemInformation ?? true,
    },
  };
}

/** Session Expiry Interval in seconds, as a time that we keep. */
export function boundedExpiry(seconds: number, limits: Limits): number {
  return Math.min(seconds * 1_000, limits.maxSessionExpiryMs);
}

/** The properties that go on to subscribers unchanged; null if there are none. */
export function publishProperties(from: Record<string, unknown>): PublishProperties | null {
  const { willDelayInterval: _, topicAlias: __, subscriptionIdentifier: ___, ...kept } = from;
  return Object.keys(kept).length === 0 ? null : (kept as PublishProperties);
}

export function connackRefused(protocolVersion: 3 | 4 | 5, refusal: Refusal, reason: string): Buffer {
  const code = codes[refusal];
  return protocolVersion === 5
    ? generate({ cmd: "connack", sessionPresent: false, reasonCode: code.v5, properties: { reasonString: reason } }, v5)
    : generate({ cmd: "connack", sessionPresent: false, returnCode: code.v3 });
}

export function connackAccepted(request: ConnectRequest, sessionPresent: boolean, limits: Limits): Buffer {
  if (request.protocolVersion !== 5) return generate({ cmd: "connack", sessionPresent, returnCode: 0 });
  return generate(
    {
      cmd: "connack",
      sessionPresent,
      reasonCode: 0,
      properties: {
        sessionExpiryInterval: Math.floor(request.expiryMs / 1_000),
        receiveMaximum: limits.receiveMaximum,
        maximumPacketSize: limits.maxPacketBytes,
        topicAliasMaximum: 0,
        sharedSubscriptionAvailable: false,
        ...(request.assigned ? { assignedClientIdentifier: request.clientId } : {}),
      },
    },
    v5,
  );
}

const v5 = { protocolVersion: 5 };
