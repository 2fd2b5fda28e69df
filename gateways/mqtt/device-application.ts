/**
 * What MQTT connections mean for twins: keeps devices below their own id, turns publishes into inputs of twins and
 * twins' sends into publishes. Who may connect is decided in authentication.ts.
 *
 * A1 A publish is acknowledged when its effect is durable, never before.
 * A2 A device has one live connection: a newer one ends the older, whatever its client id.
 * A3 What a device may not say, or what cannot be read, becomes a dead letter in its name.
 */
import type { CommittedTurn, MessageDelivery, TwinHost } from "../../actors/host/port.ts";
import { brokerSession } from "../../core/device/broker-session.ts";
import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import { rejectedAnswer } from "../../core/device/shadow.ts";
import { clientTokenOf, type ShadowError, shadowErrors } from "../../core/device/shadow-request.ts";
import { hash53 } from "../../core/hash.ts";
import { unreachable } from "../../core/unreachable.ts";
import { addressedSend } from "../../core/wire/send-wire.ts";
import { answerTopic, listeningShadow } from "../../core/wire/shadow-wire.ts";
import { isPresenceTopic, matchesCommands, ownerOf, type Route, routeOf } from "../../core/wire/topics.ts";
import type { Credentials } from "../../ports/credentials/port.ts";
import { authentication } from "./authentication.ts";
import type {
  Broker,
  IncomingPublish,
  MqttApplication,
  MqttConnection,
  Principal,
  PublishOutcome,
} from "./broker-port.ts";
import { asBuffer } from "./listener/payload.ts";
import { appSender, badStatus, notYours, type Refusal, routeFrom, type Sender, senderOf } from "./sender.ts";
import { ShadowQuota } from "./shadow-quota.ts";

export type DeviceApplicationOptions = {
  /** `onCommitted` where the twins live in this process: then what they send goes out here. */
  readonly host: Pick<TwinHost, "ask" | "deliver"> & Partial<Pick<TwinHost, "onCommitted">>;
  /** Null where credentials are not required (loopback). */
  readonly credentials: Credentials | null;
  readonly openRegistry: boolean;
  readonly nodeId: string;
  readonly now: () => number;
  readonly meter: GatewayMeter;
  /** False where devices publish to a broker of their own (EMQX), which has given each message to its subscribers. */
  readonly fansOut?: boolean;
};

/** What is counted here. */
export interface GatewayMeter {
  received(kind: Route["kind"]): void;
  /** Telemetry messages (a payload may hold several). */
  telemetry(accepted: number, duplicates: number, refused: number): void;
  acknowledged(): void;
  refused(reason: string): void;
  connectionRefused(reason: string): void;
  violation(reason: string): void;
}

export interface DeviceApplication extends MqttApplication {
  /** To be called once, before the listener opens. */
  attach(broker: Broker): void;
  /** A publish by an app that has no connection (AWS's `POST /topics/{topic}`). Rejects if a broker of its own is away. */
  publishFromApp(message: { topic: string; payload: Uint8Array; qos: 0 | 1; retain: boolean }): Promise<PublishOutcome>;
  /**
   * A publish that came through a broker in front of us: its topic names the device, as the broker's access list
   * guarantees; which of the device's sessions carried it, the twin knows best (core/device/broker-session.ts).
   */
  publishFromBroker(message: IncomingPublish, done: (outcome: PublishOutcome) => void): void;
}

const accept: PublishOutcome = { kind: "accept" };

export function openDeviceApplication(options: DeviceApplicationOptions): DeviceApplication {
  const { host, meter, now, fansOut = true } = options;
  const live = new Map<string, MqttConnection>();
  const senders = new WeakMap<MqttConnection, Sender>();
  const shadowQuota = new ShadowQuota();
  const decideConnect = authentication(options);
  let broker: Broker;

  function publish(topic: string, body: unknown): void {
    broker.publish({ topic, payload: JSON.stringify(body), qos: 1 });
  }

  function sendOut({ device, sends, records }: CommittedTurn): void {
    for (const send of sends) publish(...addressedSend(device, send));
    for (const record of records) {
      if (record.kind === "deregistered")
        broker.disconnect(({ principal }) => isDevice(principal, device), "the device was deleted");
    }
  }

  /** Hands an input to a twin and answers the publish by the reply. */
  function tell(
    device: string,
    input: TwinInput,
    message: IncomingPublish,
    then: (reply: Reply) => PublishOutcome,
    done: Done,
    ofUnknown: () => PublishOutcome = () => unknownDevice,
  ): void {
    const answer = (reply: Reply) => {
      const outcome = reply.kind === "unknownDevice" ? ofUnknown() : then(reply);
      if (outcome.kind === "accept") meter.acknowledged();
      else
        meter.refused(
          reply.kind === "refused" ? reply.reason : reply.kind === "unknownDevice" ? "unknown-device" : "unreadable",
        );
      done(outcome);
    };
    if (message.redelivered === undefined) host.deliver(device, input, answer);
    else host.deliver(device, input, answer, deliveryOf(message, input.kind));
  }

  function refuse(sender: Sender, message: IncomingPublish, why: Refusal, done: Done): void {
    const outcome: PublishOutcome = { kind: "refuse", reasonCode: why.code, reason: why.detail };
    if (sender.device === null) {
      meter.refused(why.reason);
      done(outcome);
      return;
    }
    const { topic, payload } = message;
    const input: TwinInput = {
      kind: "refused",
      topic,
      payload,
      reason: why.reason,
      detail: why.detail,
      session: sender.session,
    };
    tell(sender.device, input, message, () => outcome, done);
  }

  function take(sender: Sender, message: IncomingPublish, done: Done): void {
    const route = routeFrom(sender, message.topic);
    meter.received(route.kind);
    if (
      route.kind === "free" ||
      route.kind === "reserved" ||
      (sender.device !== null && route.device !== sender.device)
    ) {
      if (sender.device === null && route.kind === "free") forward(sender, message, done);
      else refuse(sender, message, notYours(sender, message.topic, route), done);
      return;
    }
    const { session } = sender;
    const { topic, payload } = message;
    switch (route.kind) {
      case "telemetry":
        tell(
          route.device,
          { kind: "telemetry", topic, payload, session },
          message,
          (reply) => {
            if (reply.kind !== "counted") return outcomeOf(reply);
            meter.telemetry(reply.accepted, reply.duplicates, reply.refused);
            if (reply.accepted === 0 && reply.duplicates === 0) return unreadable;
            fanOut(sender, message);
            return accept;
          },
          done,
        );
        return;
      case "heartbeat":
        tell(route.device, { kind: "heartbeat", session }, message, outcomeOf, done);
        return;
      case "status": {
        const status = statusIn(payload);
        if (status === null) refuse(sender, message, badStatus, done);
        else
          tell(
            route.device,
            { kind: "status", session, status, will: message.will },
            message,
            (reply) => {
              fanOut(sender, message);
              return outcomeOf(reply);
            },
            done,
          );
        return;
      }
      case "commandAck":
        tell(
          route.device,
          { kind: "commandAck", command: route.command, topic, payload, session },
          message,
          outcomeOf,
          done,
        );
        return;
      case "shadow":
        takeShadow(sender, route, message, done);
        return;
      case "plain":
        if (sender.device !== null && session !== null)
          heardThen(sender.device, session, () => forward(sender, message, done));
        else forward(sender, message, done);
        return;
      default:
        unreachable(route);
    }
  }

  function takeShadow(
    sender: Sender,
    route: Extract<Route, { kind: "shadow" }>,
    message: IncomingPublish,
    done: Done,
  ): void {
    const { device, shadow, operation } = route;
    // aws-iot: a last will to a $aws topic is ignored; devices use an ordinary topic for it.
    if (message.will) {
      done(accept);
      return;
    }
    const reject = (error: ShadowError) => {
      const answer = rejectedAnswer(operation, error, now(), clientTokenOf(message.payload));
      publish(answerTopic(device, shadow, answer), answer.body);
    };
    if (sender.device !== null && !shadowQuota.admits(device)) {
      reject(shadowErrors.tooManyRequests);
      meter.refused("too-many-requests");
      done(accept);
      return;
    }
    shadowQuota.asked(device);
    const request = { kind: operation, payload: message.payload };
    const by = sender.device === null ? "app" : "device";
    tell(
      device,
      { kind: "shadow", shadow, request, by, session: sender.session },
      message,
      (reply) => {
        shadowQuota.answered(device);
        if (reply.kind !== "shadow") return outcomeOf(reply);
        // An accepted change has gone out with the turn's sends.
        if (reply.answer.kind === "rejected" || operation === "get")
          publish(answerTopic(device, shadow, reply.answer), reply.answer.body);
        return accept;
      },
      done,
      () => {
        shadowQuota.answered(device);
        reject(shadowErrors.thingNotFound); // the asker waits for an answer, not for a reason code
        return accept;
      },
    );
  }

  function heardThen(device: string, session: string, then: () => void): void {
    host.deliver(device, { kind: "heartbeat", session }, then);
  }

  /** To subscribers. What a connection retains, the listener has kept before it acknowledges. */
  function fanOut({ connection }: Sender, { topic, payload, qos, retain, properties }: IncomingPublish): void {
    if (!fansOut) return;
    broker.publish({ topic, payload, qos, retain, properties, ...(connection && { from: connection }) });
  }

  /** The broker gives it to whoever listens, the gateways' ingress included. */
  async function publishThroughBroker(message: IncomingPublish): Promise<PublishOutcome> {
    if (routeOf(message.topic).kind === "reserved" || isPresenceTopic(message.topic))
      return { kind: "refuse", reasonCode: 0x90, reason: `Nobody but the system publishes to ${message.topic}.` };
    if (broker.handOver === undefined) broker.publish(message);
    else await broker.handOver(message);
    return accept;
  }

  function forward(sender: Sender, message: IncomingPublish, done: Done): void {
    fanOut(sender, message);
    meter.acknowledged();
    done(accept);
  }

  return {
    attach(listener) {
      broker = listener;
      host.onCommitted?.((turns) => {
        for (const turn of turns) if (turn.sends.length > 0 || turn.records.some(isDeregistration)) sendOut(turn);
      });
    },

    async authenticate(connect) {
      const decision = await decideConnect(connect);
      if (decision.kind === "refuse") meter.connectionRefused(decision.code);
      return decision;
    },

    connected(connection) {
      const { principal, id, connectedAtMs } = connection;
      if (principal.kind !== "device") return;
      const { device } = principal;
      const older = live.get(device);
      live.set(device, connection);
      host.deliver(device, { kind: "connected", session: { id, connectedAtMs, node: options.nodeId } }, ignore);
      if (older !== undefined) broker.disconnect(({ id: other }) => other === older.id, "taken over"); // A2
    },

    disconnected({ principal, id }, { graceful, reason }) {
      if (principal.kind !== "device") return;
      if (live.get(principal.device)?.id === id) live.delete(principal.device);
      // Our own end is no device's doing: the next start judges who comes back.
      if (reason === "server shutdown") return;
      host.deliver(principal.device, { kind: "disconnected", session: id, graceful, reason }, ignore);
    },

    maySubscribe({ principal }, filter) {
      return principal.kind === "app" || ownerOf(filter) === principal.device;
    },

    subscribed({ principal, id }, filter) {
      if (principal.kind !== "device") return;
      const { device } = principal;
      if (matchesCommands(filter, device))
        host.deliver(device, { kind: "listening", session: id, to: { channel: "commands" } }, ignore);
      const shadow = listeningShadow(filter, device);
      if (shadow !== null)
        host.deliver(device, { kind: "listening", session: id, to: { channel: "shadowDelta", shadow } }, ignore);
    },

    publish(connection, message, done) {
      let sender = senders.get(connection);
      if (sender === undefined) {
        sender = senderOf(connection);
        senders.set(connection, sender);
      }
      take(sender, message, done);
    },

    publishFromApp: ({ topic, payload, qos, retain }) =>
      new Promise((resolve, reject) => {
        const message = { topic, payload, qos, retain, will: false };
        if (fansOut) take(appSender(), message, resolve);
        else publishThroughBroker(message).then(resolve, reject);
      }),

    publishFromBroker(message, done) {
      const route = routeOf(message.topic);
      const device = route.kind === "free" ? null : route.device;
      if (device === null) {
        meter.refused("foreign-topic");
        done({ kind: "refuse", reasonCode: 0x90, reason: "the topic names no device" });
        return;
      }
      const last = { topic: message.topic, route };
      take({ device, session: brokerSession, connection: null, last }, message, done);
    },

    violation({ reason }) {
      meter.violation(reason);
    },
  };
}

type Done = (outcome: PublishOutcome) => void;

const unknownDevice: PublishOutcome = { kind: "refuse", reasonCode: 0x87, reason: "the device is not in the registry" };
const unreadable: PublishOutcome = {
  kind: "refuse",
  reasonCode: 0x99,
  reason: "no message of the payload could be read: see its dead letters",
};
/** Telemetry has an identity of its own; whatever else is delivered again is known by what it says. */
function deliveryOf({ topic, payload, redelivered }: IncomingPublish, kind: TwinInput["kind"]): MessageDelivery {
  const digest = kind === "telemetry" ? 0 : hash53(`${topic}\n${asBuffer(payload).toString("latin1")}`);
  return { redelivered: redelivered === true, digest };
}

function outcomeOf(reply: Reply): PublishOutcome {
  return reply.kind === "refused" ? { kind: "refuse", reasonCode: 0x99, reason: reply.detail } : accept;
}

/** "online" or "offline", plain or as {"status": …}; null for anything else. */
function statusIn(payload: Uint8Array): "online" | "offline" | null {
  if (payload.length > 256) return null;
  const text = Buffer.from(payload).toString("utf8").trim();
  const status = /^\{\s*"status"\s*:\s*"(online|offline)"\s*\}$/.exec(text)?.[1] ?? text.toLowerCase();
  return status === "online" || status === "offline" ? status : null;
}

function isDevice(principal: Principal, device: string): boolean {
  return principal.kind === "device" && principal.device === device;
}

function isDeregistration(record: { kind: string }): boolean {
  return record.kind === "deregistered";
}

function ignore(): void {}
