import type { MqttConnection } from "../broker-port.ts";
import type { Will } from "./connect.ts";
import { expiry } from "./fan-out.ts";
import type { Listening } from "./listening.ts";

/** Publishes the will of a connection that has ended, as if the client had sent it. */
export function fireWill(listening: Listening, connection: MqttConnection, will: Will): void {
  const { application, retained, log, now } = listening;
  const { topic, payload, qos, retain, properties } = will;
  const message = { topic, payload, qos, retain, will: true, ...(properties === null ? {} : { properties }) };
  application.publish(connection, message, (outcome) => {
    if (outcome.kind !== "accept" || !retain) return;
    const expiresAtMs = expiry(properties?.messageExpiryInterval, now());
    const kept = retained.keep({ topic, payload, properties, expiresAtMs }, qos);
    kept?.catch((error: unknown) => log.warn({ err: error, topic }, "a retained will could not be saved"));
  });
}
