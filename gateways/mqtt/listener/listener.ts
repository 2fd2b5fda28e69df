import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { RetainedStore } from "../../../ports/retained/port.ts";
import type { Broker, MqttApplication } from "../broker-port.ts";
import { Connection } from "./connection.ts";
import { fanOut, messageOf } from "./fan-out.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import type { ListenerLog, Listening } from "./listening.ts";
import { FlushAtTickEnd } from "./outbox.ts";
import { RetainedMessages } from "./retained.ts";
import { openServers, type ServersOptions } from "./servers.ts";
import type { Session, Subscription } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { SubscriptionTree } from "./subscription-tree.ts";

export type ListenerOptions = Partial<Limits> &
  ServersOptions & {
    readonly retained: RetainedStore;
    /** Epoch milliseconds. */
    readonly now: () => number;
    readonly log: ListenerLog;
    /** How often time-outs are looked at, default 1,000 ms: keep-alive, CONNECT time-out, session expiry, delayed wills. */
    readonly sweepMs?: number;
  };

export type Listener = {
  readonly broker: Broker;
  readonly port: number;
  readonly wsPort: number | null;
  /** Of MQTT over TLS, and over WebSocket over TLS; null where there is none. */
  readonly tlsPort: number | null;
  readonly wssPort: number | null;
  counts(): ListenerCounts;
  /** Tells MQTT 5 clients (0x8B), closes every connection; no will is fired. Idempotent. */
  close(): Promise<void>;
};

export type ListenerCounts = {
  readonly connections: number;
  /** Sessions of clients that are away. */
  readonly keptSessions: number;
  readonly subscriptions: number;
  readonly retained: number;
  /** Retained messages that were not kept for want of room, since the start. */
  readonly retainedRefused: number;
  /** Messages that wait for clients. */
  readonly queued: number;
  /** Messages that a slow or absent client missed, since the start. */
  readonly dropped: number;
};

/** How long clients have, on shutdown, to take the last bytes and close. */
const closeMs = 500;

/** An MQTT 3.1, 3.1.1 and 5.0 server on TCP and WebSocket. Rejects if a port is taken or the retained store fails. */
export async function openListener(options: ListenerOptions, application: MqttApplication): Promise<Listener> {
  const limits: Limits = { ...defaultLimits, ...options };
  const subscriptions = new SubscriptionTree<Session, Subscription>();
  const retained = new RetainedMessages(options.retained, limits.maxRetainedBytes);
  await retained.load();
  let dropped = 0;
  const sessions = new Sessions(limits, options.now, subscriptions, (count) => {
    dropped += count;
  });
  const instance = randomBytes(6).toString("base64url");
  let lastId = 0;
  const listening: Listening = {
    application,
    limits,
    now: options.now,
    sessions,
    subscriptions,
    retained,
    flusher: new FlushAtTickEnd(),
    // Each twin keeps one: short, and joined to be one string (a template's would keep its parts, 56 bytes more).
    newConnectionId: () => [instance, (++lastId).toString(36)].join("-"),
    newClientId: () => `auto-${randomUUID()}`,
    log: options.log,
  };

  const connections = new Set<Connection>();
  const allClosed = Promise.withResolvers<void>();
  let closing: Promise<void> | null = null;
  const servers = await openServers(
    options,
    limits,
    options.log,
    (stream, remoteAddress, certificateName) => {
      const connection = new Connection(stream, { remoteAddress, certificateName }, listening, () => {
        connections.delete(connection);
        if (closing !== null && connections.size === 0) allClosed.resolve();
      });
      connections.add(connection);
    },
    (remoteAddress, reason) => application.violation({ clientId: null, remoteAddress, reason }),
  );
  const sweep = setInterval(() => {
    const nowMs = options.now();
    for (const connection of connections) connection.sweep(nowMs);
    sessions.sweep();
  }, options.sweepMs ?? 1_000);

  const shutDown = async () => {
    clearInterval(sweep);
    const closed = servers.close();
    sessions.forget();
    for (const connection of connections) {
      connection.end({ reason: "server shutdown", code: 0x8b, graceful: false, will: "discard" });
    }
    if (connections.size > 0) await Promise.race([allClosed.promise, delay(closeMs, undefined, { ref: false })]);
    for (const connection of connections) connection.destroy();
    servers.destroy();
    await closed;
  };

  return {
    broker: brokerOf(listening, connections),
    port: servers.ports.mqtt,
    wsPort: servers.ports.ws,
    tlsPort: servers.ports.mqtts,
    wssPort: servers.ports.wss,
    counts: () => ({
      connections: connected(connections),
      keptSessions: sessions.kept,
      subscriptions: subscriptions.size,
      retained: retained.count,
      retainedRefused: retained.refused,
      queued: sessions.queued,
      dropped,
    }),
    close: () => {
      closing ??= shutDown();
      return closing;
    },
  };
}

function brokerOf(listening: Listening, connections: Set<Connection>): Broker {
  const { retained, subscriptions, now, log } = listening;
  return {
    publish(publish) {
      const message = messageOf(publish, now());
      if (publish.retain === true) {
        const saved = retained.keep(message, publish.qos);
        const { topic } = publish;
        saved?.catch((error: unknown) => log.warn({ err: error, topic }, "a retained message could not be saved"));
      }
      return fanOut(subscriptions, message, publish);
    },
    disconnect(match, reason) {
      let ended = 0;
      for (const connection of [...connections]) {
        const { identity } = connection;
        if (identity === null || !match(identity)) continue;
        connection.end({ reason, code: 0x98, graceful: false, will: "fire" });
        ended++;
      }
      return ended;
    },
    connections: () => connected(connections),
  };
}

function connected(connections: Set<Connection>): number {
  let count = 0;
  for (const connection of connections) if (connection.identity !== null) count++;
  return count;
}
