/**
 * mosquitto on loopback without containers, in the place of EMQX: Debian's 2.0.11. Devices connect to one listener
 * without a password, and may use only topics of their own; our processes connect to another, with a password.
 *
 * Where it differs from EMQX (all tried with 2.0.11):
 * - A shared subscriber with session expiry 0 that dies loses what it had not acknowledged: use clean start false, a
 *   session expiry, and the same client id again. Then all of it comes back, with DUP, in order.
 * - Shared subscriptions to topics that begin with $ get nothing. So what devices publish to $aws/things/# appears
 *   under SHARED_AWS_PREFIX (mosquitto-config.ts) too (the broker is its own bridge), and can be shared there.
 * - receiveMaximum is no hard limit: after acknowledgements it sends more.
 * - A refused PUBLISH closes the connection after its acknowledgement; a refused SUBSCRIBE is granted and gets nothing.
 * - No rule engine: presence comes from the log, see mosquitto-presence.ts.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import mqtt from "mqtt";
import { mosquittoConfig, type SecureListener, SHARED_AWS_PREFIX } from "./mosquitto-config.ts";
import { freePort, type NativeProcess, portAnswers, startProcess } from "./process.ts";

export type NativeMosquitto = {
  /** For devices, without user: mqtt://127.0.0.1:port */
  deviceUrl: string;
  /** For devices over WebSocket. */
  wsUrl: string;
  /** For our own processes, without credentials in it. */
  ingressUrl: string;
  /** The same with TLS; null without `secure`. */
  secureUrl: string | null;
  username: string;
  password: string;
  /** restart() puts the new process in its place. */
  process: NativeProcess;
  /** Starts it again on its ports; sessions and retained messages are gone. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

export type MosquittoOptions = {
  /** Holds configuration and log. */
  folder: string;
  devicePort?: number;
  ingressPort?: number;
  wsPort?: number;
  /** For a listener more, for our own processes. */
  secure?: SecureListener;
};

const PROBE_MS = 300;

/** @throws NativeProcessFailed when mosquitto is not installed or does not start */
export async function startMosquitto(options: MosquittoOptions): Promise<NativeMosquitto> {
  const { folder } = options;
  const ports = {
    device: options.devicePort ?? (await freePort()),
    ingress: options.ingressPort ?? (await freePort()),
    ws: options.wsPort ?? (await freePort()),
    ...(options.secure !== undefined && { secure: await freePort() }),
  };
  const username = "doppel";
  const password = randomBytes(18).toString("base64url");
  const secure = options.secure && { secure: options.secure };
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(mosquittoConfig({ folder, ports, username, password, ...secure }))) {
    rmSync(join(folder, name), { force: true });
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  const ingressUrl = `mqtt://127.0.0.1:${ports.ingress}`;
  const start = () =>
    startProcess({
      name: "mosquitto",
      command: "mosquitto",
      args: ["-c", join(folder, "mosquitto.conf")],
      env: { PATH: `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/sbin:/usr/local/sbin` }, // Debian's place for it
      logFile: join(folder, "mosquitto.log"),
      ready: async () =>
        (await portAnswers(ports.device)) &&
        (await portAnswers(ports.ws)) &&
        bridgeRuns(ingressUrl, username, password),
    });
  const broker: NativeMosquitto = {
    deviceUrl: `mqtt://127.0.0.1:${ports.device}`,
    wsUrl: `ws://127.0.0.1:${ports.ws}`,
    ingressUrl,
    secureUrl: ports.secure === undefined ? null : `mqtts://127.0.0.1:${ports.secure}`,
    username,
    password,
    process: await start(),
    restart: async () => {
      await broker.process.stop();
      broker.process = await start();
    },
    stop: () => broker.process.stop(),
  };
  return broker;
}

/** Until the bridge runs, what devices publish below $aws/ would be lost: so one message is sent over it. */
async function bridgeRuns(url: string, username: string, password: string): Promise<boolean> {
  const client = mqtt.connect(url, {
    username,
    password,
    clientId: "doppel-start",
    protocolVersion: 5,
    reconnectPeriod: 0,
  });
  client.on("error", () => {}); // then it closes
  try {
    return await new Promise<boolean>((resolve) => {
      client.once("close", () => resolve(false));
      client.once("message", () => resolve(true));
      client.once("connect", async () => {
        await client.subscribeAsync(`${SHARED_AWS_PREFIX}things/doppel-start`).catch(() => resolve(false));
        await client.publishAsync("$aws/things/doppel-start", "").catch(() => resolve(false));
        setTimeout(resolve, PROBE_MS, false).unref();
      });
    });
  } finally {
    await client.endAsync(true);
  }
}
