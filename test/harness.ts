/** The whole embedded system in this process, on free ports and a fresh database, for end-to-end tests. */
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { type Logger, pino } from "pino";
import { type Config, readConfig } from "../config.ts";
import { testDatabase } from "../ports/postgres/testing.ts";
import { type Running, run } from "../run.ts";

export type Doppel = {
  readonly running: Running;
  readonly mqttUrl: string;
  readonly httpUrl: string;
  /** As JSON; a body is sent as JSON. Throws on a status of 400 or more unless `expect` names it. */
  call(method: string, path: string, body?: unknown, expect?: number): Promise<Answer>;
  /** An MQTT.js client that does not reconnect by itself; ended by `close`. */
  device(id: string, options?: IClientOptions): Promise<MqttClient>;
  /** Stops the process's part and starts it anew on the same database and on new ports. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Answer = any;

export async function startDoppel(
  overrides: Partial<Config> = {},
  logger: Logger = pino({ level: "error" }),
): Promise<Doppel> {
  const database = await testDatabase();
  const config: Config = {
    ...defaults(),
    host: "127.0.0.1",
    mqttPort: 0,
    mqttWsPort: 0,
    httpPort: 0,
    databaseUrl: database.url,
    checkpointSeconds: 1,
    ...overrides,
  };
  const start = () => run({ config, logger, say: () => {} });
  let running = await start();
  const clients: MqttClient[] = [];
  const endClients = () => Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  const doppel: Doppel = {
    get running() {
      return running;
    },
    get mqttUrl() {
      return `mqtt://127.0.0.1:${running.mqttPort}`;
    },
    get httpUrl() {
      return `http://127.0.0.1:${running.httpPort}`;
    },
    async call(method, path, body, expect) {
      const response = await fetch(new URL(path, doppel.httpUrl), {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      const text = await response.text();
      if (expect === undefined ? response.status >= 400 : response.status !== expect)
        throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
      return text === "" ? null : JSON.parse(text);
    },
    async device(id, options = {}) {
      const client = await connectAsync(doppel.mqttUrl, { clientId: id, reconnectPeriod: 0, ...options });
      client.on("error", () => {});
      clients.push(client);
      return client;
    },
    async restart() {
      await endClients();
      await running.close();
      running = await start();
    },
    async close() {
      await endClients();
      await running.close();
      await database.close();
    },
  };
  return doppel;
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

function defaults(): Config {
  const read = readConfig({}, []);
  if (read.kind !== "config") throw new Error("the defaults are no configuration");
  return read.config;
}
