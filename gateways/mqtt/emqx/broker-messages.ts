/** What a gateway's ingress does with a message: presence for the twin it is about, everything else as a device's word. */
import type { TwinHost } from "../../../actors/host/port.ts";
import { isPresenceTopic } from "../../../core/wire/topics.ts";
import type { Downlink } from "../../../ports/downlink/port.ts";
import type { Broker, IncomingPublish, OutgoingPublish, PublishOutcome } from "../broker-port.ts";
import { type GatewayMeter, openDeviceApplication } from "../device-application.ts";
import type { MessageHandler } from "./ingress.ts";
import { presenceEvent } from "./presence-events.ts";

export type BrokerMessagesOptions = {
  readonly host: Pick<TwinHost, "ask" | "deliver">;
  /** For answers to shadow requests that concern only who asked; what twins send goes out where they live. */
  readonly downlink: Downlink;
  readonly now: () => number;
  readonly meter: GatewayMeter;
  readonly log: { warn(details: object, message: string): void };
};

/** For `openIngress`. */
export function brokerMessages({ host, downlink, now, meter, log }: BrokerMessagesOptions): MessageHandler {
  const application = openDeviceApplication({
    host,
    credentials: null, // whom the broker lets in, gateways/http/emqx-authn.ts decides
    openRegistry: false,
    nodeId: "",
    now,
    meter,
    fansOut: false,
  });
  application.attach(downlinkBroker(downlink, log));

  function presence(message: IncomingPublish, done: (outcome: PublishOutcome) => void): void {
    const event = presenceEvent(message.payload);
    if (event.kind === "malformed") {
      meter.violation("malformed presence");
      log.warn({ topic: message.topic, problem: event.problem }, "a presence event of the broker could not be read");
    }
    if (event.kind !== "device") {
      done(accept);
      return;
    }
    let open = event.inputs.length;
    // Told twice is told once: a session is known by its id. So it needs no digest.
    const about = { redelivered: message.redelivered === true, digest: 0 };
    const answered = () => {
      open--;
      if (open === 0) done(accept);
    };
    for (const input of event.inputs) host.deliver(event.device, input, answered, about);
  }

  return (message, done) => {
    if (isPresenceTopic(message.topic)) presence(message, done);
    else application.publishFromBroker(message, done);
  };
}

const accept: PublishOutcome = { kind: "accept" };

/** A broker that is reached by a downlink, as the application knows brokers: whom it has, only it can say. */
export function downlinkBroker(downlink: Downlink, log: BrokerMessagesOptions["log"]): Broker {
  const handOver = ({ topic, payload, qos, retain }: OutgoingPublish) =>
    downlink.publish({ topic, payload, qos: qos === 0 ? 0 : 1, ...(retain === true ? { retain } : {}) });
  return {
    handOver,
    publish(message) {
      handOver(message).catch((error: Error) => {
        log.warn(
          { topic: message.topic, error: error.message },
          "an answer did not reach the broker: who asked will ask again",
        );
      });
      return 1;
    },
    disconnect: () => 0,
    connections: () => 0,
  };
}
