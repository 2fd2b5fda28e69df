/** The distributed system on this machine: a broker, two gateways, three actor hosts, and services of its own. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type NativeOptions, type NativeSystem, startNative } from "../deploy/native/system.ts";
import { roles } from "../role-config.ts";
import type { EmqxBroker } from "./emqx-broker.ts";
import type { Settings, TestSystem } from "./harness.ts";

export type DistributedSystem = TestSystem & { readonly native: NativeSystem };

const counts = { gateways: 2, actors: 3, sinks: 1, apis: 1 };
const readyMs = 60_000;
/** Who takes from devices first, sidecars last: the order of an operator. */
const stopping = [/^gateways-\d+$/, /^apis-\d+$/, /^actors-\d+$/, /^sinks-\d+$/, /-daprd$/];

/** @param more over what tests have otherwise */
export async function startDistributed(
  settings: Settings,
  more: Partial<NativeOptions> = {},
): Promise<DistributedSystem> {
  const folder = mkdtempSync("/tmp/doppel-e2e-"); // not TMPDIR: a socket's path must be short
  chmodSync(folder, 0o711); // the database's user passes through when we are root
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const said: string[] = [];
  let native: NativeSystem;
  let emqx: EmqxBroker | null = null;
  try {
    if (process.env.DOPPEL_TEST_BROKER === "emqx") emqx = await (await import("./emqx-broker.ts")).startEmqx();
    native = await startNative({
      ...counts,
      folder,
      ports: "free",
      durable: false,
      env: { ...environmentOf(settings), ...emqx?.env },
      say: (line) => said.push(line),
      ...(emqx === null ? {} : { broker: emqx.broker }),
      ...more,
    });
  } catch (error) {
    const logs = logsIn(folder);
    await emqx?.close();
    remove();
    throw new Error(`The distributed system did not start.\n${said.join("\n")}\n${logs.slice(-4_000)}`, {
      cause: error,
    });
  }
  const own = () => [...native.processes.keys()].filter((name) => roles.some((role) => name.startsWith(`${role}-`)));
  return {
    native,
    get httpUrl() {
      return native.httpUrl;
    },
    get mqttUrl() {
      return native.mqttUrl;
    },
    get mqttPort() {
      return Number(new URL(native.mqttUrl).port);
    },
    get wsUrl() {
      return native.wsUrl;
    },
    tls: null,
    get databaseUrl() {
      return native.places.databaseUrl;
    },
    async metrics() {
      const urls = own()
        .filter((name) => !name.endsWith("-daprd"))
        .map((name) => `${native.urlOf(name)}/metrics`);
      return (await Promise.all(urls.map(async (url) => (await fetch(url)).text()))).join("\n");
    },
    logged: () => logsIn(folder),
    async restart(meanwhile) {
      for (const which of stopping) {
        const now = own().filter((name) => which.test(name));
        await Promise.all(now.map((name) => native.process(name).stop()));
      }
      await meanwhile?.();
      await Promise.all(own().map((name) => native.process(name).start()));
      await native.ready(readyMs);
    },
    async close() {
      await native.stop();
      await emqx?.close();
      remove();
    },
  };
}

function environmentOf(settings: Settings): Record<string, string> {
  const given: Record<string, string | number | undefined> = {
    DOPPEL_GRACE_SECONDS: settings.graceSeconds,
    DOPPEL_SILENCE_SECONDS: settings.silenceSeconds,
    DOPPEL_REGISTRY: settings.registry,
    DOPPEL_REQUIRE_CREDENTIALS: settings.requireCredentials,
    DOPPEL_LOG_LEVEL: settings.logLevel,
    DOPPEL_ARCHIVE_ROWS: settings.archiveRows,
  };
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

function logsIn(folder: string): string {
  const logs = join(folder, "logs");
  if (!existsSync(logs)) return "";
  return readdirSync(logs)
    .filter((name) => name.endsWith(".log"))
    .map((name) => `--- ${name}\n${readFileSync(join(logs, name), "utf8")}`)
    .join("\n");
}
