import { hash53 } from "../../core/hash.ts";
import type { ClientTls } from "../tls/client.ts";
import { Lane } from "./lane.ts";
import type { Downlink } from "./port.ts";

export type MqttDownlinkOptions = {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string;
  /** "" for none. */
  readonly username: string;
  readonly password: string;
  /** Of `mqtts://`. */
  readonly tls?: ClientTls;
  readonly connections?: number;
  readonly timeoutMs?: number;
  /** Unique per process; each connection adds its number. */
  readonly clientIdPrefix: string;
  /** Per connection. */
  readonly maxWaiting?: number;
  readonly random?: () => number;
  readonly log?: { warn(details: object, message: string): void; info(details: object, message: string): void };
};

/**
 * A pool of MQTT 5 connections. A topic has its own by hash (D1). A short absence of the broker is waited for within the
 * time-out; nothing is kept longer, and no more than `maxWaiting` messages are.
 */
export function openMqttDownlink(options: MqttDownlinkOptions): Downlink & {
  /** Resolves when every connection has been there once. */
  readonly ready: Promise<void>;
} {
  const { url, connections = 2, timeoutMs = 5_000, maxWaiting = 10_000, random = Math.random, log } = options;
  const readies: Promise<void>[] = [];
  const lanes = Array.from({ length: connections }, (_, index) => {
    const clientId = `${options.clientIdPrefix}-${index + 1}`;
    const first = Promise.withResolvers<void>();
    readies.push(first.promise);
    const onConnection = (connected: boolean, problem: string | null) => {
      if (connected) {
        first.resolve();
        log?.info({ broker: url, clientId }, "ready to send to devices");
      } else
        log?.warn({ broker: url, clientId, problem }, "the broker is away: what devices are sent waits for a moment");
    };
    const { username, password, tls = {} } = options;
    return new Lane({ url, username, password, tls, clientId, timeoutMs, maxWaiting, random, onConnection });
  });
  return {
    ready: Promise.all(readies).then(() => {}),
    publish: (message) => lanes[hash53(message.topic) % lanes.length]!.publish(message),
    get connected() {
      return lanes.some((lane) => lane.connected);
    },
    async close() {
      await Promise.all(lanes.map((lane) => lane.close()));
    },
  };
}
