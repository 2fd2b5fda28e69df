import { generate } from "mqtt-packet";
import type { IncomingPublish, MqttConnection, PublishOutcome } from "../broker-port.ts";
import { Acknowledgements, type Pending } from "./acknowledgements.ts";
import type { Connection } from "./connection.ts";
import { expiry } from "./fan-out.ts";
import type { Received } from "./incoming-qos2.ts";
import type { Listening } from "./listening.ts";
import { ack } from "./outbox.ts";
import { toKeep } from "./payload.ts";
import type { Session } from "./session.ts";

/**
 * What one connection publishes: handed to the application, acknowledged when that has decided, in the order in which
 * it came; a retained message also only when it is saved. A client that is far ahead of the decisions is not read.
 */
export class IncomingPublishes {
  readonly #identity: MqttConnection;
  readonly #session: Session;
  readonly #wantsReasons: boolean;
  readonly #connection: Connection;
  readonly #listening: Listening;
  readonly #acknowledgements: Acknowledgements<PublishOutcome>;
  #held = false;
  #ended = false;

  constructor(
    identity: MqttConnection,
    session: Session,
    wantsReasons: boolean,
    connection: Connection,
    listening: Listening,
  ) {
    this.#identity = identity;
    this.#session = session;
    this.#wantsReasons = wantsReasons;
    this.#connection = connection;
    this.#listening = listening;
    this.#acknowledgements = new Acknowledgements((pending, outcome) => this.#acknowledge(pending, outcome));
  }

  publish(packetId: number, message: IncomingPublish): void {
    const { limits } = this.#listening;
    const pending = this.#acknowledgements.expect(message.qos, packetId);
    if (message.qos === 2) this.#publishQos2(pending, message);
    else this.#handOn(pending, null, message);
    if (this.#acknowledgements.size >= limits.maxUndecided && !this.#ended) {
      this.#held = true;
      this.#connection.hold("undecided");
    }
  }

  /** Decisions still count for the session (QoS 2, retained), but nothing is sent any more. */
  ended(): void {
    this.#ended = true;
  }

  #publishQos2(pending: Pending<PublishOutcome>, message: IncomingPublish): void {
    const { incomingQos2 } = this.#session;
    const { kind, received } = incomingQos2.begin(pending.packetId);
    if (kind === "duplicate") {
      incomingQos2.recall(received, (outcome) => this.#acknowledgements.settle(pending, outcome));
    } else if (this.#identity.protocolVersion === 5 && incomingQos2.size > this.#listening.limits.receiveMaximum) {
      incomingQos2.release(pending.packetId);
      this.#connection.violation("receive maximum exceeded", 0x93); // [MQTT-3.3.4-9]
    } else {
      this.#handOn(pending, received, message);
    }
  }

  #handOn(pending: Pending<PublishOutcome>, received: Received<PublishOutcome> | null, message: IncomingPublish): void {
    this.#listening.application.publish(this.#identity, message, (outcome) => {
      if (message.retain && outcome.kind === "accept") this.#keep(pending, received, message);
      else this.#finish(pending, received, outcome);
    });
  }

  #keep(pending: Pending<PublishOutcome>, received: Received<PublishOutcome> | null, message: IncomingPublish): void {
    const { retained, log, now } = this.#listening;
    const { topic, qos } = message;
    const properties = message.properties ?? null;
    const expiresAtMs = expiry(properties?.messageExpiryInterval, now());
    const saved = retained.keep({ topic, payload: toKeep(message.payload), properties, expiresAtMs }, qos);
    if (saved === null) {
      this.#finish(pending, received, { kind: "refuse", reasonCode: 0x97, reason: "no room for a retained message" });
      return;
    }
    saved.then(
      () => this.#finish(pending, received, { kind: "accept" }),
      (error: unknown) => {
        const reason = "a retained message could not be saved";
        log.warn({ err: error, topic }, reason);
        // No acknowledgement can say "not saved" to MQTT 3.1.1; a lost connection makes the client send it again.
        this.#connection.end({ reason, code: 0x83, graceful: false, will: "fire" });
        if (received === null) return;
        this.#session.incomingQos2.decided(
          pending.packetId,
          received,
          { kind: "refuse", reasonCode: 0x80, reason },
          false,
        );
      },
    );
  }

  #finish(pending: Pending<PublishOutcome>, received: Received<PublishOutcome> | null, outcome: PublishOutcome): void {
    if (received !== null) {
      const keep = outcome.kind === "accept" || this.#identity.protocolVersion < 5;
      this.#session.incomingQos2.decided(pending.packetId, received, outcome, keep);
    }
    this.#acknowledgements.settle(pending, outcome);
  }

  #acknowledge(pending: Pending<PublishOutcome>, outcome: PublishOutcome): void {
    if (this.#ended) return;
    const { qos, packetId } = pending;
    if (qos > 0) {
      if (outcome.kind === "accept" || this.#identity.protocolVersion < 5) {
        this.#connection.outbox.acknowledge(qos === 1 ? ack.puback : ack.pubrec, packetId);
      } else {
        const properties = this.#wantsReasons ? { properties: { reasonString: outcome.reason } } : {};
        const cmd = qos === 1 ? "puback" : "pubrec";
        const refusal = { cmd, messageId: packetId, reasonCode: outcome.reasonCode, ...properties } as const;
        this.#connection.outbox.send(generate(refusal, { protocolVersion: 5 }));
      }
    }
    if (this.#held && this.#acknowledgements.size <= this.#listening.limits.maxUndecided / 2) {
      this.#held = false;
      this.#connection.release("undecided");
    }
  }
}
