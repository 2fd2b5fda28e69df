import { once } from "node:events";
import { connect, type Socket } from "node:net";
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { onTestFinished } from "vitest";
import { MemoryRetained } from "../../../ports/retained/memory.ts";
import type { IncomingPublish, MqttApplication, MqttConnection, PublishOutcome } from "../broker-port.ts";
import { type Listener, type ListenerOptions, openListener } from "./listener.ts";

/** What the application was told, in order, as short lines. */
export type Told = string[];

export type Served = {
  readonly listener: Listener;
  readonly told: Told;
  readonly clock: { ms: number };
  /** Publishes that wait, if `decide` is "later". */
  readonly waiting: { message: IncomingPublish; done: (outcome: PublishOutcome) => void }[];
  /** Resolves when the line has been told (at once if it has). */
  heard(line: string | RegExp): Promise<void>;
  client(options?: IClientOptions): Promise<MqttClient>;
  raw(): Promise<Raw>;
};

export type ServeOptions = Partial<ListenerOptions> & {
  /** `forward`: every publish is accepted and goes to subscribers. `later`: the test decides. */
  readonly decide?: "forward" | "later" | ((message: IncomingPublish) => PublishOutcome);
  readonly application?: Partial<MqttApplication>;
};

/** A listener on free ports for one test, with an application that accepts everybody and writes down what it hears. */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const told: Told = [];
  const clock = { ms: 1_000_000 };
  const waiting: Served["waiting"] = [];
  const listeners = new Set<() => void>();
  const tell = (line: string) => {
    told.push(line);
    for (const listener of listeners) listener();
  };
  const { decide = "forward", application: overrides, ...rest } = options;
  const application: MqttApplication = {
    async authenticate({ clientId }) {
      return { kind: "accept", principal: { kind: "device", device: clientId } };
    },
    connected: ({ clientId }) => tell(`connected ${clientId}`),
    disconnected: ({ clientId }, { graceful, reason }) =>
      tell(`disconnected ${clientId}: ${reason}${graceful ? " (graceful)" : ""}`),
    maySubscribe: (_connection: MqttConnection, filter) => !filter.startsWith("secret/"),
    subscribed: ({ clientId }, filter, resumed) => tell(`${resumed ? "resumed" : "subscribed"} ${clientId} ${filter}`),
    publish(connection, message, done) {
      const text = Buffer.from(message.payload.subarray(0, 40)).toString();
      tell(`${message.will ? "will" : "published"} ${connection.clientId} ${message.topic} ${text}`);
      if (decide === "later") {
        waiting.push({ message, done });
        return;
      }
      const outcome = decide === "forward" ? ({ kind: "accept" } as const) : decide(message);
      if (outcome.kind === "accept") listener.broker.publish({ ...message, from: connection });
      done(outcome);
    },
    violation: ({ clientId, reason }) => tell(`violation ${clientId ?? "-"}: ${reason}`),
    ...overrides,
  };
  const listener = await openListener(
    {
      host: "127.0.0.1",
      port: 0,
      wsPort: null,
      retained: new MemoryRetained(),
      now: () => clock.ms,
      sweepMs: 10,
      log: { warn: (_details, message) => tell(`warned: ${message}`) },
      ...rest,
    },
    application,
  );
  onTestFinished(() => listener.close());
  return {
    listener,
    told,
    clock,
    waiting,
    heard: (line) =>
      new Promise((resolve) => {
        const look = () => {
          if (!told.some((said) => (typeof line === "string" ? said === line : line.test(said)))) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
    async client(clientOptions = {}) {
      const client = started(`mqtt://127.0.0.1:${listener.port}`, clientOptions);
      inboxes.set(client, new Inbox(client));
      return taken(client);
    },
    async raw() {
      const socket = connect({ port: listener.port, host: "127.0.0.1", noDelay: true });
      onTestFinished(() => {
        socket.destroy();
      });
      await once(socket, "connect");
      return new Raw(socket);
    },
  };
}

/** A socket whose bytes the test writes and reads itself. */
export class Raw {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #closed = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes.replaceAll(" ", ""), "hex") : bytes);
  }

  /** The next bytes, as hex. */
  async read(count: number): Promise<string> {
    while (this.#bytes.length < count) {
      if (this.#closed) throw new Error(`closed after ${this.#bytes.toString("hex")}`);
      await this.#more();
    }
    const read = this.#bytes.subarray(0, count).toString("hex");
    this.#bytes = this.#bytes.subarray(count);
    return read;
  }

  /** Everything that comes until the other side closes, as hex. */
  async rest(): Promise<string> {
    while (!this.#closed) await this.#more();
    return this.#bytes.toString("hex");
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Messages that a client gets, from before its CONNECT, each awaited in turn. */
export class Inbox {
  readonly all: IPublishPacket[] = [];
  #taken = 0;
  #wake: () => void = () => {};

  constructor(client: MqttClient) {
    client.on("message", (_topic, _payload, packet) => {
      this.all.push(packet);
      this.#wake();
    });
  }

  async next(): Promise<IPublishPacket> {
    while (this.all.length <= this.#taken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.all[this.#taken++]!;
  }
}

const inboxes = new WeakMap<MqttClient, Inbox>();

export function inbox(client: MqttClient): Inbox {
  return inboxes.get(client)!;
}

/** A client that connects once, and ends with the test. */
export function started(url: string, options: IClientOptions): MqttClient {
  const client = mqtt.connect(url, { reconnectPeriod: 0, ...options });
  onTestFinished(async () => {
    client.end(true);
  });
  return client;
}

/** The client when its CONNECT has been taken; rejects if it is not. */
export async function taken(client: MqttClient): Promise<MqttClient> {
  await new Promise((resolve, reject) => {
    client.once("connect", resolve);
    client.once("error", reject);
    client.once("close", () => reject(new Error("closed before it was connected")));
  });
  client.on("error", () => {});
  return client;
}
