/**
 * Gives mosquitto EMQX's presence: reads its log from `$SYS/broker/log/#` and publishes what it says of devices to
 * `presence/{clientid}`, QoS 1, in EMQX's form. One per broker, started before the devices.
 *
 * When the connection to the broker is lost, all devices have lost theirs, and say so themselves when they are back.
 */
import mqtt from "mqtt";
import { type ConnectedEvent, readLogLine } from "./mosquitto-presence-log.ts";

export type MosquittoPresence = { stop(): Promise<void> };

export type MosquittoPresenceOptions = {
  /** The ingress listener. */
  url: string;
  username: string;
  password: string;
  /** ms since 1970 */
  now: () => number;
  say?: (line: string) => void;
};

const LOG_TOPIC = "$SYS/broker/log/#";

/** Resolves when it listens. @throws when the broker refuses; later it reconnects by itself. */
export async function startMosquittoPresence(options: MosquittoPresenceOptions): Promise<MosquittoPresence> {
  const { url, username, password, now, say = () => {} } = options;
  const clients = new Map<string, ConnectedEvent>();
  const client = await mqtt.connectAsync(
    url,
    { username, password, clientId: "doppel-presence", protocolVersion: 5, clean: true, reconnectPeriod: 200 },
    false,
  );
  client.on("error", (error) => say(`Presence from mosquitto: ${error.message}`));
  client.on("close", () => clients.clear());
  client.on("message", (topic, payload) => {
    const event = readLogLine(clients, topic, payload.toString(), now());
    if (event === null) return;
    const { clientid } = event;
    client.publish(`presence/${clientid}`, JSON.stringify(event), { qos: 1 }, (error) => {
      if (error) say(`The presence of ${clientid} was not told: ${error.message}`);
    });
  });
  await client.subscribeAsync(LOG_TOPIC, { qos: 1 }); // MQTT.js subscribes again after each reconnection
  return { stop: () => client.endAsync() };
}
