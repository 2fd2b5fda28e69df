import { once } from "node:events";
import { io, iotshadow, mqtt, type mqtt_request_response, mqtt5 } from "aws-iot-device-sdk-v2";

/** AWS's shadow client of its IoT Device SDK v2, connected without TLS, as the device or app that `name` says. */
export type ShadowClient = { readonly client: iotshadow.IotShadowClientv2; close(): Promise<void> };

const limits = { maxRequestResponseSubscriptions: 8, maxStreamingSubscriptions: 8, operationTimeoutInSeconds: 10 };

/** `userName` "app" connects as an app; without one the client id is the device's id. */
export async function connectMqtt5(port: number, clientId: string, userName?: string): Promise<ShadowClient> {
  const connection = new mqtt5.Mqtt5Client({
    hostName: "127.0.0.1",
    port,
    connectProperties: { clientId, keepAliveIntervalSeconds: 30, ...(userName && { username: userName }) },
  });
  const connected = once(connection, mqtt5.Mqtt5Client.CONNECTION_SUCCESS);
  connection.start();
  await connected;
  const client = iotshadow.IotShadowClientv2.newFromMqtt5(connection, limits);
  return {
    client,
    async close() {
      client.close();
      const stopped = once(connection, mqtt5.Mqtt5Client.STOPPED);
      connection.stop();
      await stopped;
      connection.close();
    },
  };
}

export async function connectMqtt311(port: number, clientId: string, userName?: string): Promise<ShadowClient> {
  const connection = new mqtt.MqttClient().new_connection({
    client_id: clientId,
    host_name: "127.0.0.1",
    port,
    clean_session: true,
    keep_alive: 30,
    ping_timeout: 20_000, // also how long it waits for the CONNACK: by itself 3 s, over MQTT 5 it is 20
    socket_options: new io.SocketOptions(io.SocketType.STREAM, io.SocketDomain.IPV4, 5_000),
    ...(userName && { username: userName }),
  });
  await connection.connect();
  const client = iotshadow.IotShadowClientv2.newFromMqtt311(connection, limits);
  return {
    client,
    async close() {
      client.close();
      await connection.disconnect();
    },
  };
}

/** The same five doings for the classic shadow and for a named one. */
export function shadowOf({ client }: ShadowClient, thingName: string, shadowName: string | null) {
  const thing = { thingName };
  if (shadowName === null) {
    return {
      get: () => client.getShadow(thing),
      update: (state: iotshadow.model.ShadowState, version?: number) =>
        client.updateShadow({ ...thing, state, ...(version !== undefined && { version }) }),
      delete: () => client.deleteShadow(thing),
      deltas: () => listen(client.createShadowDeltaUpdatedStream(thing)),
      documents: () => listen(client.createShadowUpdatedStream(thing)),
    };
  }
  const named = { thingName, shadowName };
  return {
    get: () => client.getNamedShadow(named),
    update: (state: iotshadow.model.ShadowState, version?: number) =>
      client.updateNamedShadow({ ...named, state, ...(version !== undefined && { version }) }),
    delete: () => client.deleteNamedShadow(named),
    deltas: () => listen(client.createNamedShadowDeltaUpdatedStream(named)),
    documents: () => listen(client.createNamedShadowUpdatedStream(named)),
  };
}

export type Heard<T> = {
  /** The next message that was not taken yet. */
  next(): Promise<T>;
  /** How many were heard and not taken. */
  waiting(): number;
  close(): void;
};

/** Opens a stream of the SDK; resolves when it is subscribed. */
async function listen<T>(stream: mqtt_request_response.StreamingOperation<T>): Promise<Heard<T>> {
  const heard: T[] = [];
  let wake = () => {};
  stream.on("incomingPublish", ({ message }) => {
    heard.push(message);
    wake();
  });
  const subscribed = once(stream, "subscriptionStatus");
  stream.open();
  const [status] = await subscribed;
  // aws-crt's SubscriptionStatusEventType.SubscriptionEstablished, which the SDK does not export.
  if (status.type !== 0) throw new Error(`not subscribed: ${status.error}`);
  return {
    async next() {
      while (heard.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return heard.shift() as T;
    },
    waiting: () => heard.length,
    close: () => stream.close(),
  };
}
