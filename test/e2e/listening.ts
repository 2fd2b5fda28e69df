/** MQTT.js clients whose messages are written down from before their CONNECT: what a resumed session sends is not missed. */
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from "mqtt";
import { expect, onTestFinished } from "vitest";
import { type Answer, type Doppel, eventually } from "../harness.ts";

export type Heard = {
  readonly topic: string;
  readonly text: string;
  /** The payload as JSON; undefined if it is none. */
  readonly json: Answer;
  readonly qos: number;
  readonly retain: boolean;
};

export type Listening = {
  readonly client: MqttClient;
  readonly connack: IConnackPacket;
  /** In the order in which they came. */
  readonly heard: Heard[];
};

/** Connects as device `id` (or as `options.username` says) until the test is over. Rejects if it is refused. */
export async function connectListening(url: string, id: string, options: IClientOptions = {}): Promise<Listening> {
  const client = mqtt.connect(url, { clientId: id, reconnectPeriod: 0, ...options });
  onTestFinished(async () => {
    await client.endAsync(true);
  });
  const heard: Heard[] = [];
  client.on("message", (topic, payload, { qos, retain }) => {
    const text = payload.toString();
    heard.push({ topic, text, json: jsonOf(text), qos, retain });
  });
  const connack = await new Promise<IConnackPacket>((resolve, reject) => {
    client.once("connect", resolve);
    client.once("error", reject);
    client.once("close", () => reject(new Error(`${id} was closed before it was connected`)));
  });
  client.on("error", () => {});
  return { client, connack, heard };
}

/** Resolves when the twin knows that its device is connected, or that it is not. */
export async function isConnected(doppel: Doppel, id: string, connected = true): Promise<void> {
  await eventually(async () => expect(await doppel.call("GET", `/v1/devices/${id}`)).toMatchObject({ id, connected }));
}

/** A device that was there once and has left, as its twin knows it. */
export async function leaves(doppel: Doppel, id: string, { client }: Pick<Listening, "client">): Promise<void> {
  await client.endAsync();
  await isConnected(doppel, id, false);
}

/** Breaks the connection without a DISCONNECT, as a lost network does. */
export function breakOff({ client }: Pick<Listening, "client">): void {
  client.stream.destroy();
}

/** Resolves when the connection is closed, from whichever side; to be asked before it is. */
export function closing({ client }: Pick<Listening, "client">): Promise<void> {
  return new Promise((resolve) => client.once("close", () => resolve()));
}

function jsonOf(text: string): Answer {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
