/**
 * Every option of the embedded system, as one table: environment variable, command-line flag, default, unit, meaning.
 * Pure: `start-embedded.ts` hands in the environment and the arguments. The roles of the distributed mode: `role-config.ts`.
 */
import { join } from "node:path";
import { isLoopback } from "./core/loopback.ts";
import { archiveOptions, archivePlace, clickhouseOptions, seriesOptions, sinkOptions } from "./history-options.ts";
import { address, oneOf, orNothing, port, postgresUrl, text, whole, yesOrNo } from "./option-values.ts";
import {
  asksForHelp,
  type ConfigOf,
  type Env,
  flagOf,
  option,
  optionLines,
  type ReadFile,
  readOptions,
} from "./options.ts";

export type Config = ConfigOf<typeof options>;

export type ReadConfig =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

const options = {
  host: option("DOPPEL_HOST", "127.0.0.1", address, "address to listen on; anything but loopback requires credentials"),
  mqttPort: option("DOPPEL_MQTT_PORT", "1883", port, "MQTT port; 0: any free one"),
  mqttWsPort: option("DOPPEL_MQTT_WS_PORT", "8083", port, "port of MQTT over WebSocket; 0: any free one"),
  httpPort: option("DOPPEL_HTTP_PORT", "8080", port, "port of dashboard and API; 0: any free one"),
  tlsCert: option("DOPPEL_TLS_CERT", "", orNothing(text), "PEM file of our certificate and its chain: turns TLS on"),
  tlsKey: option("DOPPEL_TLS_KEY", "", orNothing(text), "PEM file of its key"),
  tlsClientCa: option(
    "DOPPEL_TLS_CLIENT_CA",
    "",
    orNothing(text),
    "PEM file of who signs devices' certificates: their common name is the device, and they need no token",
  ),
  mqttsPort: option("DOPPEL_MQTTS_PORT", "8883", port, "with TLS, port of MQTT; 0: any free one"),
  mqttWssPort: option("DOPPEL_MQTT_WSS_PORT", "8084", port, "with TLS, port of MQTT over WebSocket; 0: any free one"),
  httpsPort: option("DOPPEL_HTTPS_PORT", "8443", port, "with TLS, port of dashboard and API; 0: any free one"),
  plaintext: option(
    "DOPPEL_PLAINTEXT",
    "auto",
    oneOf("auto", "everywhere"),
    "auto: with TLS, the ports without it are on loopback alone",
  ),
  dataDir: option("DOPPEL_DATA_DIR", join(import.meta.dirname, ".doppel"), text, "folder of the embedded database", {
    defaultIs: ".doppel beside the code",
  }),
  databaseUrl: option("DATABASE_URL", "", orNothing(postgresUrl), "PostgreSQL to use instead of the embedded one", {
    inFile: true,
  }),
  requireCredentials: option("DOPPEL_REQUIRE_CREDENTIALS", "auto", oneOf("auto", "yes"), "auto: only off loopback"),
  registry: option(
    "DOPPEL_REGISTRY",
    "auto",
    oneOf("auto", "open", "known"),
    "open: a device is registered by its first contact; known: by the API alone; auto: open on loopback",
  ),
  demo: option("DOPPEL_DEMO", "no", yesOrNo, "runs a simulated fleet inside", { switch: true }),
  demoDevices: option("DOPPEL_DEMO_DEVICES", "50", whole(1, 5_000), "size of that fleet"),
  silenceSeconds: option(
    "DOPPEL_SILENCE_SECONDS",
    "60",
    whole(1, 31_536_000),
    "without a message for so long: offline",
  ),
  graceSeconds: option("DOPPEL_GRACE_SECONDS", "3", whole(1, 86_400), "a lost connection is announced after this time"),
  restartGraceSeconds: option("DOPPEL_RESTART_GRACE_SECONDS", "15", whole(1, 86_400), "the same after our own restart"),
  telemetryRetentionDays: option(
    "DOPPEL_TELEMETRY_RETENTION_DAYS",
    "30",
    whole(1, 36_500),
    "how long readings are kept",
  ),
  ...seriesOptions,
  archive: archivePlace("auto", "folder archive beside the database"),
  ...archiveOptions,
  ...clickhouseOptions,
  ...sinkOptions,
  eventRetentionDays: option("DOPPEL_EVENT_RETENTION_DAYS", "90", whole(1, 36_500), "how long device events are kept"),
  logRetentionDays: option("DOPPEL_LOG_RETENTION_DAYS", "7", whole(1, 36_500), "how long the event log is kept"),
  maxPacketBytes: option("DOPPEL_MAX_PACKET_BYTES", "262144", whole(1_024, 268_435_455), "largest MQTT packet taken"),
  flushMs: option("DOPPEL_FLUSH_MS", "5", whole(1, 1_000), "ms that messages wait for others to share their commit"),
  checkpointSeconds: option("DOPPEL_CHECKPOINT_SECONDS", "5", whole(1, 600), "a twin is checkpointed at most so often"),
  idleTwinMinutes: option("DOPPEL_IDLE_TWIN_MINUTES", "10", whole(1, 10_080), "a twin idle for so long leaves memory"),
  maxTwinsInMemory: option(
    "DOPPEL_MAX_TWINS_IN_MEMORY",
    "1000000",
    whole(1, 100_000_000),
    "above it, twins leave sooner",
  ),
  logLevel: option(
    "DOPPEL_LOG_LEVEL",
    "info",
    oneOf("trace", "debug", "info", "warn", "error", "fatal"),
    "least severity logged",
  ),
  logFormat: option(
    "DOPPEL_LOG_FORMAT",
    "auto",
    oneOf("auto", "json", "pretty"),
    "auto: pretty on a terminal, else JSON",
  ),
};

/** Reads all options; every problem is told at once. `readFile`: of the files that hold secrets. */
export function readConfig(env: Env, argv: readonly string[], readFile?: ReadFile): ReadConfig {
  if (asksForHelp(argv)) return { kind: "help", text: helpText() };
  const { values, problems } = readOptions(options, env, argv, readFile);
  if (values.demo === true && (values.requireCredentials === "yes" || !isLoopback(String(values.host))))
    problems.push("--demo runs without credentials, so it needs a loopback address and --require-credentials auto.");
  problems.push(...tlsProblems(values), ...samePorts(values));
  return problems.length > 0 ? { kind: "problems", problems } : { kind: "config", config: values as Config };
}

/** What is of use only together. That the files fit is seen when they are read (ports/tls/files.ts). */
function tlsProblems({ tlsCert, tlsKey, tlsClientCa }: Partial<Config>): string[] {
  if (Boolean(tlsCert) !== Boolean(tlsKey))
    return ["DOPPEL_TLS_CERT and DOPPEL_TLS_KEY belong together: set both, or none."];
  if (tlsClientCa && !tlsCert)
    return ["DOPPEL_TLS_CLIENT_CA is of no use without DOPPEL_TLS_CERT and DOPPEL_TLS_KEY: set them, too."];
  return [];
}

/** Two servers on one port: said here, where the names are known, not by the second one's failure. */
function samePorts(config: Partial<Config>): string[] {
  const plain = ["mqttPort", "mqttWsPort", "httpPort"] as const;
  const secure = config.tlsCert ? (["mqttsPort", "mqttWssPort", "httpsPort"] as const) : [];
  const ports = [...plain, ...secure].filter((name) => (config[name] ?? 0) !== 0);
  return ports.flatMap((name, index) =>
    ports
      .slice(index + 1)
      .filter((other) => config[other] === config[name])
      .map((other) => `${flagOf(name)} and ${flagOf(other)} are both ${config[name]}: each needs a port of its own.`),
  );
}

function helpText(): string {
  return [
    "npm start -- [options]",
    "",
    "Runs the embedded Doppel: MQTT, API, dashboard and database in one process.",
    "Every option is also an environment variable; a flag goes before it.",
    "A secret, or a URL with one in it, can be in a file that NAME_FILE names: DATABASE_URL_FILE.",
    "",
    ...optionLines(options),
    "",
    "Credentials, for an address off loopback:",
    "  npm run credentials -- --help",
    "",
  ].join("\n");
}
