/**
 * The whole of Doppel for end-to-end tests, on free ports and fresh data, in the mode of the vitest project that runs
 * them: embedded in this process, or distributed over processes of this machine. One description serves both.
 *
 * What holds in both: what happened is visible within seconds. In the distributed mode a device's PUBACK is the broker's,
 * so a test asks `eventually` for the effect, and waits for the effect of one message before it counts on the next.
 */
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import type { Config } from "../config.ts";
import { startDistributed } from "./distributed-system.ts";
import { startEmbedded } from "./embedded-system.ts";

/** Those that both modes have; `maxPacketBytes` and TLS are the broker's affair in the distributed one. */
export type Settings = Partial<
  Pick<
    Config,
    | "graceSeconds"
    | "restartGraceSeconds"
    | "silenceSeconds"
    | "registry"
    | "requireCredentials"
    | "logLevel"
    | "maxPacketBytes"
    | "archiveRows"
    | "host"
    | "tlsCert"
    | "tlsKey"
    | "tlsClientCa"
  >
>;

/** What a mode brings. */
export type TestSystem = {
  readonly httpUrl: string;
  readonly mqttUrl: string;
  readonly mqttPort: number;
  /** MQTT over WebSocket. */
  readonly wsUrl: string;
  /** The same over TLS, on localhost; null where it is not spoken. */
  readonly tls: {
    readonly mqttsPort: number;
    readonly mqttsUrl: string;
    readonly wssUrl: string;
    readonly httpsUrl: string;
  } | null;
  readonly databaseUrl: string;
  /** Of all its processes, one after the other, as Prometheus would read them. */
  metrics(): Promise<string>;
  /** Everything that the system has logged so far. */
  logged(): string;
  /**
   * Stops, orderly, everything that is Doppel's own, and starts it anew on the same data; ports may change. `meanwhile` is
   * carried out while nothing of it runs. Connections of devices end with the embedded system; a broker of its own keeps
   * them.
   */
  restart(meanwhile?: () => unknown): Promise<void>;
  close(): Promise<void>;
};

export type Doppel = TestSystem & {
  /** As JSON; a body is sent as JSON. Throws on a status of 400 or more unless `expect` names it. */
  call(method: string, path: string, body?: unknown, expect?: number): Promise<Answer>;
  /** An MQTT.js client that does not reconnect by itself; ended by `restart` and `close`. */
  device(id: string, options?: IClientOptions): Promise<MqttClient>;
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Answer = any;

export const mode = process.env.DOPPEL_TEST_MODE === "distributed" ? "distributed" : "embedded";

/** Defines tests in the embedded mode alone. `why`: what is otherwise in the distributed one. */
export function embeddedOnly(_why: string, define: () => void): void {
  if (mode === "embedded") define();
}

export async function startDoppel(settings: Settings = {}): Promise<Doppel> {
  const system = mode === "distributed" ? await startDistributed(settings) : await startEmbedded(settings);
  return withClients(system);
}

export function withClients<System extends TestSystem>(system: System): System & Doppel {
  const clients: MqttClient[] = [];
  const endClients = () => Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  const { restart, close } = system;
  return Object.assign(system, {
    async call(method: string, path: string, body?: unknown, expect?: number) {
      const response = await fetch(new URL(path, system.httpUrl), {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      const text = await response.text();
      if (expect === undefined ? response.status >= 400 : response.status !== expect)
        throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
      return text === "" ? null : JSON.parse(text);
    },
    async device(id: string, options: IClientOptions = {}) {
      const client = await connectAsync(system.mqttUrl, { clientId: id, reconnectPeriod: 0, ...options });
      client.on("error", () => {});
      clients.push(client);
      return client;
    },
    async restart(meanwhile?: () => unknown) {
      await endClients();
      await restart(meanwhile);
    },
    async close() {
      await endClients();
      await close();
    },
  });
}

/** Waits until `probe` gives something, and gives that; the last error says what was missing. */
export async function eventually<T>(probe: () => Promise<T> | T, withinMs = 15_000): Promise<T> {
  const endMs = Date.now() + withinMs;
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (Date.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
