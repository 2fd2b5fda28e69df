import { generate, type IDisconnectPacket, type IPublishPacket, type Packet } from "mqtt-packet";
import type { MqttConnection } from "../broker-port.ts";
import { boundedExpiry, type ConnectRequest, publishProperties } from "./connect.ts";
import type { Connection, Ending } from "./connection.ts";
import { IncomingPublishes } from "./incoming-publishes.ts";
import type { Listening } from "./listening.ts";
import { ack } from "./outbox.ts";
import type { Way } from "./outgoing.ts";
import { decodePacket } from "./packet-decoder.ts";
import { asBuffer } from "./payload.ts";
import { PublishDecoder } from "./publish-decoder.ts";
import { type Delivery, encodePublish } from "./publish-encoder.ts";
import type { DelayedWill, Session } from "./session.ts";
import { subscribe, unsubscribe } from "./subscribe.ts";
import { topicProblem } from "./topic-filter.ts";
import { fireWill } from "./will.ts";

/** A client that has been accepted: what its packets mean, until its connection ends. */
export class Client implements Way {
  readonly identity: MqttConnection;
  readonly session: Session;
  readonly request: ConnectRequest;
  readonly window: number;
  readonly #connection: Connection;
  readonly #listening: Listening;
  readonly #publishes: PublishDecoder;
  readonly #incoming: IncomingPublishes;

  constructor(
    identity: MqttConnection,
    session: Session,
    request: ConnectRequest,
    connection: Connection,
    listening: Listening,
  ) {
    this.identity = identity;
    this.session = session;
    this.request = request;
    this.window = Math.min(request.receiveMaximum, listening.limits.maxInflight);
    this.#connection = connection;
    this.#listening = listening;
    this.#publishes = new PublishDecoder(request.protocolVersion);
    this.#incoming = new IncomingPublishes(identity, session, request.wantsReasons, connection, listening);
  }

  /** After the CONNACK. */
  begin(resumed: boolean): void {
    const { application, subscriptions } = this.#listening;
    const { identity, session } = this;
    session.expiryMs = this.request.expiryMs;
    session.presence = {
      kind: "connected",
      end: (reason) => this.#connection.end({ reason, code: 0x8e, graceful: false, will: "fire" }),
    };
    if (resumed) {
      for (const filter of session.subscriptions.keys()) {
        if (application.maySubscribe(identity, filter)) continue; // what it may do can have changed
        session.subscriptions.delete(filter);
        subscriptions.delete(filter, session);
      }
    }
    session.outgoing.attach(this);
    application.connected(identity);
    if (!resumed) return;
    for (const filter of [...session.subscriptions.keys()]) {
      if (session.presence.kind !== "connected") return; // ended by the application
      application.subscribed(identity, filter, true);
    }
  }

  /** One whole packet; PUBLISH first, as it is nearly all of them. */
  packet(data: Buffer, start: number, body: number, end: number): void {
    const type = data[start]! >> 4;
    if (type === 3) {
      const publish = this.#publishes.decode(data, start, body, end);
      if (typeof publish === "object") {
        const { topic, payload, qos, retain, packetId } = publish;
        this.#incoming.publish(packetId, { topic, payload, qos, retain, will: false });
        return;
      }
      if (publish === "bad topic") {
        this.#connection.violation(publish, 0x90);
        return;
      }
      if (publish !== "slow") {
        this.#connection.violation(publish, 0x81);
        return;
      }
    } else if (type === 4 && end - start === 4) {
      this.session.outgoing.acknowledged(data.readUInt16BE(body));
      return;
    } else if (type === 12 && data[start] === 0xc0 && end - start === 2) {
      this.#connection.outbox.send(pingresp);
      return;
    }
    const decoded = decodePacket(data.subarray(start, end), this.request.protocolVersion);
    if (decoded.kind === "problem") {
      this.#connection.violation(decoded.problem, decoded.problem === "protocol error" ? 0x82 : 0x81);
    } else {
      this.#decoded(decoded.packet);
    }
  }

  ready(): boolean {
    return !this.#connection.outbox.full();
  }

  publish(delivery: Delivery, packetId: number, dup: boolean): boolean {
    const { protocolVersion, maximumPacketSize } = this.request;
    const bytes = encodePublish(delivery, { protocolVersion, packetId, dup, nowMs: this.#listening.now() });
    if (bytes.length > maximumPacketSize) return false; // [MQTT-3.1.2-25]
    this.#connection.outbox.send(bytes);
    return true;
  }

  release(packetId: number): void {
    this.#connection.outbox.acknowledge(ack.pubrel, packetId);
  }

  /** The connection has ended: what is left of the client is its session and perhaps its will. */
  ended(ending: Ending): void {
    const { application, sessions, now } = this.#listening;
    const { identity, session } = this;
    this.#incoming.ended();
    const will = ending.will === "fire" ? this.request.will : null;
    const fire = () => fireWill(this.#listening, identity, will!);
    const delayed: DelayedWill | null =
      will !== null && will.delayMs > 0 ? { dueAtMs: now() + will.delayMs, fire } : null;
    application.disconnected(identity, { graceful: ending.graceful, reason: ending.reason });
    if (will !== null && delayed === null) fire();
    sessions.left(session, delayed);
  }

  #decoded(packet: Packet): void {
    const { outbox } = this.#connection;
    const { outgoing } = this.session;
    const messageId = packet.messageId ?? 0;
    switch (packet.cmd) {
      case "publish":
        this.#publishWithProperties(packet);
        return;
      case "puback":
      case "pubcomp":
        outgoing.acknowledged(messageId);
        return;
      case "pubrec":
        if ((packet.reasonCode ?? 0) >= 0x80) outgoing.acknowledged(messageId);
        else if (outgoing.received(messageId) || this.request.protocolVersion < 5) this.release(messageId);
        else outbox.send(generate({ cmd: "pubrel", messageId, reasonCode: 0x92 }, { protocolVersion: 5 }));
        return;
      case "pubrel":
        if (this.session.incomingQos2.release(messageId) || this.request.protocolVersion < 5) {
          outbox.acknowledge(ack.pubcomp, messageId); // [MQTT-4.3.3-2]
        } else outbox.send(generate({ cmd: "pubcomp", messageId, reasonCode: 0x92 }, { protocolVersion: 5 }));
        return;
      case "subscribe":
        subscribe(packet, this, this.#connection, this.#listening);
        return;
      case "unsubscribe":
        unsubscribe(packet, this, this.#connection, this.#listening);
        return;
      case "disconnect":
        this.#disconnect(packet);
        return;
      default: // CONNECT again, a malformed ping, AUTH that was never agreed on, packets that only servers send
        this.#connection.violation("protocol error", 0x82);
    }
  }

  #publishWithProperties(packet: IPublishPacket): void {
    const properties = packet.properties ?? {};
    if (properties.topicAlias !== undefined) {
      // our maximum is 0
      this.#connection.violation("topic alias", 0x94);
      return;
    }
    if (properties.subscriptionIdentifier !== undefined) {
      this.#connection.violation("protocol error", 0x82);
      return;
    }
    const { topic, qos, retain } = packet;
    const badResponse = properties.responseTopic === undefined ? null : topicProblem(properties.responseTopic);
    if (topicProblem(topic) !== null || badResponse !== null) {
      this.#connection.violation("bad topic", 0x90);
      return;
    }
    const payload = asBuffer(packet.payload as Buffer);
    const forwarded = publishProperties(properties);
    this.#incoming.publish(packet.messageId ?? 0, {
      topic,
      payload,
      qos,
      retain,
      will: false,
      ...(forwarded === null ? {} : { properties: forwarded }),
    });
  }

  #disconnect(packet: IDisconnectPacket): void {
    const expiry = packet.properties?.sessionExpiryInterval;
    if (expiry !== undefined) {
      if (this.request.expiryMs === 0 && expiry > 0) {
        // §3.14.2.2.2
        this.#connection.violation("protocol error", 0x82);
        return;
      }
      this.session.expiryMs = boundedExpiry(expiry, this.#listening.limits);
    }
    const withWill = this.request.protocolVersion === 5 && (packet.reasonCode ?? 0) !== 0; // [MQTT-3.14.4-3]
    this.#connection.end({
      reason: "client disconnected",
      code: null,
      graceful: true,
      will: withWill ? "fire" : "discard",
    });
  }
}

const pingresp = Buffer.from([0xd0, 0]);
