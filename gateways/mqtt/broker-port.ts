/** Who is on the other side of an MQTT connection. */
export type Principal =
  | { readonly kind: "device"; readonly device: string }
  | { readonly kind: "app"; readonly name: string };

export function isSamePrincipal(one: Principal, other: Principal): boolean {
  return one.kind === "device"
    ? other.kind === "device" && one.device === other.device
    : other.kind === "app" && one.name === other.name;
}

/** One MQTT connection, as its owner sees it. `id` is unique for the life of the process and over restarts. */
export type MqttConnection = {
  readonly id: string;
  readonly clientId: string;
  readonly principal: Principal;
  readonly protocolVersion: 3 | 4 | 5;
  readonly connectedAtMs: number;
  readonly remoteAddress: string;
};

/** What an MQTT 5 PUBLISH carries beside its payload (MQTT 5.0 §3.3.2.3): hand it on to forward it to subscribers. */
export type PublishProperties = {
  readonly payloadFormatIndicator?: boolean;
  /** Seconds; what is left of them when the message is sent. */
  readonly messageExpiryInterval?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly userProperties?: Readonly<Record<string, string | string[]>>;
};

export type IncomingPublish = {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** True when it is the will of a connection that ended. */
  readonly will: boolean;
  /** A broker in front of us has delivered it before, to us or to another gateway (DUP, MQTT 5.0 §3.3.1.1). */
  readonly redelivered?: boolean;
  readonly properties?: PublishProperties | undefined;
};

/** `accept`: acknowledge. `refuse`: acknowledge to MQTT 3.1.1 (there is no other way), reason code to MQTT 5. */
export type PublishOutcome =
  | { readonly kind: "accept" }
  | { readonly kind: "refuse"; readonly reasonCode: 0x80 | 0x87 | 0x90 | 0x97 | 0x99; readonly reason: string };

/** What the listener asks and tells; the application (gateways/mqtt/device-application.ts) implements it. */
export interface MqttApplication {
  /** A decision on a CONNECT. `reason` is for the log and for MQTT 5's reason string; never holds a secret. */
  authenticate(connect: {
    clientId: string;
    username: string | null;
    password: Uint8Array | null;
    remoteAddress: string;
    /** The common name of a client certificate that was verified: it is the device's id and needs no token. */
    certificateName?: string;
  }): Promise<
    | { kind: "accept"; principal: Principal }
    | { kind: "refuse"; code: "badCredentials" | "notAuthorized" | "badClientId"; reason: string }
  >;
  /** After CONNACK is decided and any older connection of the client id has been told to end. */
  connected(connection: MqttConnection): void;
  /** Exactly once per `connected`; `reason` in plain words ("socket closed", "keep-alive elapsed", "taken over", …). */
  disconnected(connection: MqttConnection, end: { graceful: boolean; reason: string }): void;
  maySubscribe(connection: MqttConnection, filter: string): boolean;
  /** After SUBACK, and after CONNACK for each subscription of a resumed session. */
  subscribed(connection: MqttConnection, filter: string, resumed: boolean): void;
  /**
   * A PUBLISH (or a will). `done` is called exactly once, when its effect is durable: PUBACK / PUBREC go out then.
   * Whether it also goes to subscribers is the application's decision: it calls `Broker.publish`.
   */
  publish(connection: MqttConnection, message: IncomingPublish, done: (outcome: PublishOutcome) => void): void;
  /** Counted and logged protocol violations: "packet too large", "malformed packet", "bad utf-8", … The listener ends the connection. */
  violation(about: { clientId: string | null; remoteAddress: string; reason: string }): void;
}

/**
 * `retain` also keeps it for later subscribers (an accepted incoming publish with `retain` is kept by the listener in
 * any case). `from`: the connection it came from, for subscribers that asked not to hear themselves (MQTT 5 No Local).
 */
export type OutgoingPublish = {
  readonly topic: string;
  readonly payload: Uint8Array | string;
  readonly qos: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly properties?: PublishProperties | undefined;
  readonly from?: { readonly clientId: string };
};

/** What the application may ask of the listener. */
export interface Broker {
  /** To every subscriber whose filter matches; queued (QoS > 0) for persistent sessions that are away. Gives how many got or will get it. */
  publish(message: OutgoingPublish): number;
  /** The same where the broker is not in this process: resolves when it has acknowledged, else rejects. */
  handOver?(message: OutgoingPublish): Promise<void>;
  /** Ends the connections of a client or device, e.g. when it is deleted or its token revoked. */
  disconnect(match: (connection: MqttConnection) => boolean, reason: string): number;
  connections(): number;
}
