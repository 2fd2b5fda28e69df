/**
 * What devices say, taken from a broker that outlives us (EMQX; mosquitto natively): connections with shared
 * subscriptions for exactly the topics that mean something to twins. Other gateways of the same group share the load.
 *
 * G1 A message is acknowledged when its effect is durable; until then the broker has it, and gives it to another gateway
 *    if we die. A refused one is acknowledged too: its dead letter is durable, and it would come again for ever.
 * G2 The broker is waited for, for ever, with back-off.
 * G3 No subscription matches what we publish ourselves.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ClientTls } from "../../../ports/tls/client.ts";
import type { IncomingPublish, PublishOutcome } from "../broker-port.ts";
import { BrokerLink, type LinkOptions } from "./broker-link.ts";

export type IngressOptions = {
  /** `mqtt://host:port` or `mqtts://host:port` of the broker's listener for us. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Of `mqtts://`. */
  readonly tls?: ClientTls;
  /** Unique per gateway; each connection adds its number. Stable over restarts where sessions are kept. */
  readonly clientId: string;
  readonly connections?: number;
  /** Messages under way per connection. */
  readonly receiveMaximum?: number;
  /** 0 (EMQX): others get the messages of a gateway that is gone. Above (mosquitto): they wait so long for its return. */
  readonly sessionSeconds?: number;
  readonly group?: string;
  /** Instead of `$aws/`, for a broker that does not share topics with a `$` (mosquitto bridges them to another name). */
  readonly awsPrefix?: string;
  readonly maxPacketBytes?: number;
  readonly handle: MessageHandler;
  readonly meter: IngressMeter;
  readonly log: IngressLog;
  /** Epoch ms. */
  readonly now?: () => number;
  /** 0 to 1, spreads the attempts of many gateways. */
  readonly random?: () => number;
};

/** `done` is called exactly once, when the message's effect is durable. */
export type MessageHandler = (message: IncomingPublish, done: (outcome: PublishOutcome) => void) => void;

export interface IngressMeter {
  /** Delivered before, to us or to another gateway. */
  redelivered(): void;
  /** Acknowledged to the broker though refused: a device behind a broker is not told. */
  refused(): void;
  /** Acknowledged unread: not UTF-8, or no topic. */
  unreadable(problem: string): void;
  connectionLost(): void;
}

export type IngressLog = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

export interface Ingress {
  /** Resolves when every connection has been there once. */
  readonly ready: Promise<void>;
  /** Connections that stand and have their subscriptions. */
  readonly connected: number;
  readonly connections: number;
  /** Messages whose effect is not durable yet. */
  readonly inFlight: number;
  /**
   * Takes no more, waits (`drainMs`) for what is under way, acknowledges it and goes. Idempotent.
   * `forGood: false`: the broker keeps what comes meanwhile for this client id, where it keeps sessions at all.
   */
  close(options?: { drainMs?: number; forGood?: boolean }): Promise<void>;
}

/** The shared subscriptions of a gateway; presence in a group of its own, which EMQX hashes by topic: order per device. */
export function upSubscriptions(group: string, awsPrefix = "$aws/"): string[] {
  const shadows = ["", "name/+/"].flatMap((named) =>
    ["get", "update", "delete"].map((operation) => `${awsPrefix}things/+/shadow/${named}${operation}`),
  );
  const device = ["telemetry", "heartbeat", "status", "commands/+/ack"].map((leaf) => `devices/+/${leaf}`);
  return [...[...device, ...shadows].map((topic) => `$share/${group}/${topic}`), `$share/${group}-presence/presence/+`];
}

export function openIngress(options: IngressOptions): Ingress {
  const { handle, meter, log, now = Date.now, random = Math.random, connections = 1 } = options;
  const { awsPrefix = "$aws/", sessionSeconds = 0 } = options;
  const stopping = new AbortController();
  const links = new Array<BrokerLink | null>(connections).fill(null);
  const onMessage = (message: IncomingPublish, done: () => void) => {
    if (message.redelivered) meter.redelivered();
    const topic = message.topic.startsWith(awsPrefix) ? `$aws/${message.topic.slice(awsPrefix.length)}` : message.topic;
    handle({ ...message, topic }, (outcome) => {
      if (outcome.kind === "refuse") meter.refused(); // G1
      done();
    });
  };
  const linkOptions: Omit<LinkOptions, "clientId"> = {
    url: options.url,
    username: options.username,
    password: options.password,
    ...(options.tls && { tls: options.tls }),
    sessionSeconds,
    receiveMaximum: options.receiveMaximum ?? 1024,
    maxPacketBytes: options.maxPacketBytes ?? 1_048_576,
    keepAliveSeconds: 15,
    subscriptions: upSubscriptions(options.group ?? "doppel", awsPrefix),
    now,
    onMessage,
    onUnreadable: (problem) => meter.unreadable(problem),
  };

  /** G2: one connection after the other, until we stop. */
  async function keepConnected(index: number, first: () => void): Promise<void> {
    const clientId = connections === 1 ? options.clientId : `${options.clientId}-${index + 1}`;
    for (let attempt = 0; !stopping.signal.aborted; attempt++) {
      const openedAtMs = now();
      const link = new BrokerLink({ ...linkOptions, clientId });
      links[index] = link;
      link.ready.then(
        () => {
          log.info({ broker: options.url, clientId }, "taking messages from the broker");
          first();
        },
        () => {},
      );
      const lost = await link.ended;
      if (stopping.signal.aborted) return;
      meter.connectionLost();
      if (now() - openedAtMs > steadyMs) attempt = 0;
      const waitMs = backOffMs(attempt, random());
      log.warn({ clientId, attempt, waitMs: Math.round(waitMs), error: lost?.message }, "the broker is away");
      await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const ready = Promise.all(
    links.map((_, index) => new Promise<void>((resolve) => void keepConnected(index, resolve))),
  ).then(() => {});
  const second = setInterval(() => {
    for (const link of links) link?.tick();
  }, 1_000);
  const standing = () => links.filter((link) => link !== null);

  async function close(drainMs: number, forGood: boolean): Promise<void> {
    const leave = async (link: BrokerLink) => {
      if (forGood) await link.unsubscribe();
      else link.stopTaking();
      await link.drained();
    };
    stopping.abort();
    const late = new AbortController();
    await Promise.race([
      Promise.all(standing().map(leave)),
      delay(drainMs, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
    clearInterval(second);
    const undone = standing().reduce((sum, link) => sum + link.inFlight, 0);
    if (undone > 0) log.warn({ undone }, "messages were still under way: the broker delivers them again");
    for (const link of standing()) link.disconnect({ keepSession: !forGood });
  }

  let closing: Promise<void> | null = null;
  return {
    ready,
    connections,
    get connected() {
      return standing().filter((link) => link.open).length;
    },
    get inFlight() {
      return standing().reduce((sum, link) => sum + link.inFlight, 0);
    },
    close({ drainMs = 10_000, forGood = sessionSeconds === 0 } = {}) {
      closing ??= close(drainMs, forGood);
      return closing;
    },
  };
}

/** A connection that stood so long was a good one: its loss is the first of its kind. */
const steadyMs = 10_000;

/**
 * 50 ms, 100 ms, … 0.5 s, each up to half longer. Never long: devices are quick to come back after a broker has restarted,
 * and what they say before somebody has subscribed is acknowledged and dropped.
 */
export function backOffMs(attempt: number, random: number): number {
  return Math.min(500, 50 * 2 ** Math.min(attempt, 10)) * (1 + random / 2);
}
