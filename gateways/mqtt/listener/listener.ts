import { randomBytes, randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { RetainedStore } from "../../../ports/retained/port.ts";
import type { Broker, MqttApplication } from "../broker-port.ts";
import { Connection } from "./connection.ts";
import { fanOut, messageOf } from "./fan-out.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import type { ListenerLog, Listening } from "./listening.ts";
import { FlushAtTickEnd } from "./outbox.ts";
import { RetainedMessages } from "./retained.ts";
import type { Session, Subscription } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { SubscriptionTree } from "./subscription-tree.ts";
import { webSocketServer } from "./websocket.ts";

export type ListenerOptions = Partial<Limits> & {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** For MQTT over WebSocket; 0: any free port, null: none. */
  readonly wsPort: number | null;
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
  const accept = (stream: Duplex, remoteAddress: string) => {
    const connection = new Connection(stream, remoteAddress, listening, () => {
      connections.delete(connection);
      if (closing !== null && connections.size === 0) allClosed.resolve();
    });
    connections.add(connection);
  };
  const tcp = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) =>
    accept(socket, socket.remoteAddress ?? "unknown"),
  );
  await listen(tcp, options.port, options.host);
  // Out of file descriptors, for example: those who are connected stay served.
  tcp.on("error", (error) => options.log.warn({ err: error }, "a connection could not be accepted"));
  const webSockets = options.wsPort === null ? null : webSocketServer(options.host, limits.maxPacketBytes, accept);
  if (webSockets !== null) {
    try {
      await listen(webSockets.http, options.wsPort!, options.host);
    } catch (error) {
      tcp.close();
      throw error;
    }
    webSockets.http.on("error", (error) => options.log.warn({ err: error }, "a connection could not be accepted"));
  }
  const sweep = setInterval(() => {
    const nowMs = options.now();
    for (const connection of connections) connection.sweep(nowMs);
    sessions.sweep();
  }, options.sweepMs ?? 1_000);

  const shutDown = async () => {
    clearInterval(sweep);
    const servers = [closed(tcp), ...(webSockets === null ? [] : [closed(webSockets.http)])];
    sessions.forget();
    for (const connection of connections) {
      connection.end({ reason: "server shutdown", code: 0x8b, graceful: false, will: "discard" });
    }
    if (connections.size > 0) await Promise.race([allClosed.promise, delay(closeMs, undefined, { ref: false })]);
    for (const connection of connections) connection.destroy();
    webSockets?.close();
    await Promise.all(servers);
  };

  return {
    broker: brokerOf(listening, connections),
    port: (tcp.address() as AddressInfo).port,
    wsPort: webSockets === null ? null : (webSockets.http.address() as AddressInfo).port,
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

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, 4_096, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
