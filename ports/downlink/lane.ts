/**
 * One connection of the downlink to the broker, made anew with back-off for ever, and what goes out by it, in order.
 * MQTT.js does the protocol; its own queue and store are not used, since what they hold they send whenever they can,
 * long after its caller has given it up.
 */
import mqtt, { type MqttClient } from "mqtt";
import type { ClientTls } from "../tls/client.ts";
import { BrokerAway, type DownlinkMessage } from "./port.ts";

export type LaneOptions = {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly tls: ClientTls;
  readonly clientId: string;
  readonly timeoutMs: number;
  /** Messages that may wait for the connection, or for the broker's acknowledgements. */
  readonly maxWaiting: number;
  /** 0 to 1: spreads the attempts of many processes. */
  readonly random: () => number;
  /** Told when the connection comes and goes. */
  readonly onConnection: (connected: boolean, problem: string | null) => void;
};

type Pending = {
  readonly message: DownlinkMessage;
  readonly resolve: () => void;
  readonly reject: (error: BrokerAway) => void;
  readonly timer: NodeJS.Timeout;
  settled: boolean;
};

export class Lane {
  readonly #options: LaneOptions;
  #client: MqttClient | null = null;
  #connected = false;
  #window = 0;
  /** Not handed to the connection yet, oldest first. */
  #waiting: Pending[] = [];
  #inFlight = new Set<Pending>();
  /** Whose callers have no answer yet. */
  #open = 0;
  #idle: (() => void)[] = [];
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#connect(0);
  }

  get connected(): boolean {
    return this.#connected;
  }

  publish(message: DownlinkMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new BrokerAway(`The downlink is closed: ${message.topic} gets nothing more.`));
        return;
      }
      if (this.#waiting.length >= this.#options.maxWaiting) {
        reject(
          new BrokerAway(`${this.#waiting.length} messages wait for the broker already: ${message.topic} is left out.`),
        );
        return;
      }
      const timer = setTimeout(() => this.#settle(pending, this.#tooLate(message)), this.#options.timeoutMs);
      const pending: Pending = { message, resolve, reject, timer, settled: false };
      this.#waiting.push(pending);
      this.#open++;
      this.#send();
    });
  }

  /** What is under way still goes out, as far as it does within its time-out. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#connected) this.#giveUp();
    while (this.#open > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#client?.endAsync(!this.#connected);
  }

  #connect(attempt: number): void {
    const { url, username, password, tls, clientId, random, onConnection } = this.#options;
    const openedAtMs = performance.now();
    let problem: string | null = null;
    const client = mqtt.connect(url, {
      ...tls,
      protocolVersion: 5,
      clean: true,
      clientId,
      ...(username === "" ? {} : { username, password }),
      reconnectPeriod: 0,
      connectTimeout: 10_000,
      keepalive: 15,
    });
    this.#client = client;
    client.on("error", (error) => {
      problem = error.message;
    });
    client.on("connect", ({ properties }) => {
      this.#connected = true;
      this.#window = Math.min(properties?.receiveMaximum ?? maxWindow, maxWindow); // MQTT 5.0 §4.9
      onConnection(true, null);
      this.#send();
    });
    client.on("close", () => {
      if (this.#client !== client) return;
      this.#client = null;
      this.#connected = false;
      // What was not acknowledged goes out first, within its time-out: QoS 1 may deliver twice, and keeps the order.
      this.#waiting.unshift(...this.#inFlight);
      this.#inFlight.clear();
      onConnection(false, problem);
      if (this.#closed) {
        this.#giveUp();
        return;
      }
      const next = performance.now() - openedAtMs > steadyMs ? 0 : attempt + 1;
      const waitMs = Math.min(5_000, 100 * 2 ** Math.min(next, 10)) * (1 + random() / 2);
      this.#retry = setTimeout(() => this.#connect(next), waitMs);
    });
  }

  #send(): void {
    const client = this.#client;
    if (client === null || !this.#connected) return;
    while (this.#waiting.length > 0 && this.#inFlight.size < this.#window) {
      const pending = this.#waiting.shift()!;
      if (pending.settled) continue;
      this.#inFlight.add(pending);
      const { topic, payload, qos, retain = false } = pending.message;
      const bytes =
        typeof payload === "string" ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
      client.publish(topic, bytes, { qos, retain }, (error) => {
        if (this.#client !== client || !this.#inFlight.delete(pending)) return;
        this.#settle(pending, error == null ? null : new BrokerAway(`${topic}: ${error.message}`, { cause: error }));
        this.#send();
      });
    }
  }

  #settle(pending: Pending, error: BrokerAway | null): void {
    if (pending.settled) return;
    pending.settled = true;
    clearTimeout(pending.timer);
    if (error === null) pending.resolve();
    else pending.reject(error);
    while (this.#waiting[0]?.settled) this.#waiting.shift(); // given up while they waited
    this.#open--;
    if (this.#open === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  #giveUp(): void {
    for (const pending of [...this.#waiting]) this.#settle(pending, this.#tooLate(pending.message));
  }

  #tooLate({ topic }: DownlinkMessage): BrokerAway {
    const { url, timeoutMs } = this.#options;
    return new BrokerAway(`${url} has not taken a message to ${topic} within ${timeoutMs / 1000} s.`);
  }
}

/** Under way at once, where the broker allows it. */
const maxWindow = 1_000;
/** A connection that stood so long was a good one. */
const steadyMs = 10_000;
