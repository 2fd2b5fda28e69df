/**
 * Every option of the roles of the distributed mode, as one table, and which role has which. Environment variables
 * first, since containers and scripts start the roles; each is also a flag, except secrets. Pure, like `config.ts`.
 *
 * C1: a role that listens off loopback has what keeps strangers out: credentials are required, and what EMQX and the
 *     gateways say to each other is under a secret.
 */

import {
  brokerSecurityOptions,
  kafkaSecurityOptions,
  redisSecurityOptions,
  registrySecurityOptions,
  securityProblems,
} from "./connection-options.ts";
import { isLoopback } from "./core/loopback.ts";
import { archiveOptions, archivePlace, clickhouseOptions, seriesOptions, sinkOptions } from "./history-options.ts";
import { address, hostPorts, oneOf, orNothing, port, postgresUrl, text, url, whole } from "./option-values.ts";
import {
  asksForHelp,
  type ConfigOf,
  type Env,
  type Option,
  option,
  optionLines,
  type ReadFile,
  readOptions,
  secretOption,
} from "./options.ts";

const httpUrl = url("http://127.0.0.1:8081", "http", "https");
const days = whole(1, 36_500);
const ms = whole(1, 60_000);

const options = {
  name: option("DOPPEL_NAME", "", orNothing(text), "what people call this process", { defaultIs: "the role and -1" }),
  host: option("DOPPEL_HOST", "127.0.0.1", address, "address to listen on; anything but loopback requires credentials"),
  httpPort: option("DOPPEL_HTTP_PORT", "", port, "port of /healthz, /readyz, /metrics and what else the role serves"),
  advertisedUrl: option("DOPPEL_ADVERTISED_URL", "", orNothing(httpUrl), "where others reach that port", {
    defaultIs: "http://, host and port",
  }),
  databaseUrl: option("DATABASE_URL", "", postgresUrl, "PostgreSQL of the twins and of all tables", {
    required: true,
    inFile: true,
  }),
  databaseConnections: option("DOPPEL_DATABASE_CONNECTIONS", "8", whole(1, 1_000), "connections to it at most"),
  kafkaBrokers: option("KAFKA_BROKERS", "127.0.0.1:9092", hostPorts, "Kafka brokers to begin with, by commas"),
  ...kafkaSecurityOptions,
  kafkaPartitions: option(
    "DOPPEL_KAFKA_PARTITIONS",
    "8",
    whole(1, 10_000),
    "partitions of a topic; fixed by the first run",
  ),
  kafkaReplication: option("DOPPEL_KAFKA_REPLICATION", "1", whole(1, 9), "copies of each record; 3 with three brokers"),
  schemaRegistryUrl: option(
    "SCHEMA_REGISTRY_URL",
    "",
    orNothing(url("http://127.0.0.1:8081/apis/ccompat/v7", "http", "https")),
    "schema registry with Confluent's API; none: tables of PostgreSQL. The same for all roles",
    { inFile: true },
  ),
  ...registrySecurityOptions,
  redisUrl: option("REDIS_URL", "redis://127.0.0.1:6379", url("redis://127.0.0.1:6379", "redis", "rediss"), "Redis", {
    inFile: true,
  }),
  ...redisSecurityOptions,
  mqttUrl: option(
    "MQTT_URL",
    "mqtt://127.0.0.1:1885",
    url("mqtt://127.0.0.1:1885", "mqtt", "mqtts"),
    "the broker's listener for our own clients",
  ),
  mqttUsername: option("MQTT_USERNAME", "", orNothing(text), "user name there"),
  mqttPassword: secretOption("MQTT_PASSWORD", "password there"),
  ...brokerSecurityOptions,
  downlinkConnections: option("DOPPEL_DOWNLINK_CONNECTIONS", "2", whole(1, 64), "connections that send to devices"),
  receiveMaximum: option(
    "DOPPEL_RECEIVE_MAXIMUM",
    "1000",
    whole(1, 65_535),
    "messages that the broker hands over before one is acknowledged",
  ),
  ingressSessionSeconds: option(
    "DOPPEL_INGRESS_SESSION_SECONDS",
    "0",
    whole(0, 86_400),
    "how long the broker keeps our session; 0 for EMQX, which hands on what is open, more for mosquitto",
  ),
  ingressConnections: option(
    "DOPPEL_INGRESS_CONNECTIONS",
    "2",
    whole(1, 64),
    "connections that take what devices publish",
  ),
  ingressAwsPrefix: option(
    "DOPPEL_INGRESS_AWS_PREFIX",
    "$aws/",
    text,
    "where shared subscriptions find the topics of $aws/; elsewhere with mosquitto alone",
  ),
  batchMs: option("DOPPEL_BATCH_MS", "3", whole(0, 1_000), "ms that messages of a device wait for more of them"),
  batchMessages: option("DOPPEL_BATCH_MESSAGES", "200", whole(1, 10_000), "messages of a device in a call at most"),
  daprHttpPort: option("DAPR_HTTP_PORT", "3500", port, "HTTP port of the sidecar, on loopback"),
  daprGrpcPort: option("DAPR_GRPC_PORT", "50001", port, "gRPC port of the sidecar, on loopback"),
  callTimeoutMs: option("DOPPEL_CALL_TIMEOUT_MS", "2000", ms, "ms after which a call of an actor is made again"),
  actorProtocol: option(
    "DOPPEL_ACTOR_PROTOCOL",
    "stream",
    oneOf("stream", "http"),
    "how the sidecar calls us: its stream, or callbacks over HTTP",
  ),
  actorPort: option("DOPPEL_ACTOR_PORT", "0", port, "port of those callbacks, on loopback (daprd --app-port)"),
  idleTwinMinutes: option("DOPPEL_IDLE_TWIN_MINUTES", "10", whole(1, 10_080), "a twin idle for so long leaves memory"),
  drainSeconds: option("DOPPEL_DRAIN_SECONDS", "1", whole(1, 600), "how long a twin that moves may finish its turns"),
  flushMs: option("DOPPEL_FLUSH_MS", "3", whole(0, 1_000), "ms that turns wait for others to share their commit"),
  softStateMs: option("DOPPEL_SOFT_STATE_MS", "1000", ms, "ms between two savings of soft state to Redis"),
  sweepSeconds: option(
    "DOPPEL_SWEEP_SECONDS",
    "2",
    whole(1, 3_600),
    "how often overdue twins of dead hosts are sought",
  ),
  sweepShards: option(
    "DOPPEL_SWEEP_SHARDS",
    "8",
    oneOf("1", "2", "4", "8", "16", "32", "64"),
    "sweepers that share the twins; the same everywhere",
  ),
  authnSecret: secretOption("DOPPEL_AUTHN_SECRET", "what EMQX sends as x-emqx-secret; required off loopback"),
  emqxApiUrl: option("EMQX_API_URL", "", orNothing(httpUrl), "EMQX's API, for its list of clients"),
  emqxApiKey: option("EMQX_API_KEY", "", orNothing(text), "key of that API"),
  emqxApiSecret: secretOption("EMQX_API_SECRET", "secret of that key"),
  requireCredentials: option("DOPPEL_REQUIRE_CREDENTIALS", "auto", oneOf("auto", "yes"), "auto: only off loopback"),
  registry: option(
    "DOPPEL_REGISTRY",
    "auto",
    oneOf("auto", "open", "known"),
    "open: a device is registered by its first contact; known: by the API alone; auto: open on loopback",
  ),
  silenceSeconds: option(
    "DOPPEL_SILENCE_SECONDS",
    "60",
    whole(1, 31_536_000),
    "without a message for so long: offline",
  ),
  graceSeconds: option("DOPPEL_GRACE_SECONDS", "3", whole(1, 86_400), "a lost connection is announced after this time"),
  telemetryRetentionDays: option("DOPPEL_TELEMETRY_RETENTION_DAYS", "30", days, "how long readings are kept"),
  ...seriesOptions,
  archive: archivePlace("off"),
  ...archiveOptions,
  ...sinkOptions,
  ...clickhouseOptions,
  eventRetentionDays: option("DOPPEL_EVENT_RETENTION_DAYS", "90", days, "how long device events are kept"),
  logRetentionDays: option("DOPPEL_LOG_RETENTION_DAYS", "7", days, "how long Kafka keeps records"),
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
} satisfies Record<string, Option>;

type RoleOption = keyof typeof options;

const serving = ["name", "host", "httpPort", "advertisedUrl", "databaseUrl", "databaseConnections"] as const;
const kafka = ["kafkaBrokers", ...keysOf(kafkaSecurityOptions)] as const;
const registry = ["schemaRegistryUrl", ...keysOf(registrySecurityOptions)] as const;
const log = [...kafka, ...registry] as const;
const redis = ["redisUrl", ...keysOf(redisSecurityOptions)] as const;
const broker = [
  ...(["mqttUrl", "mqttUsername", "mqttPassword"] as const),
  ...keysOf(brokerSecurityOptions),
  "downlinkConnections",
] as const;
const callers = ["batchMs", "batchMessages", "daprHttpPort", "callTimeoutMs"] as const;
const emqxApi = ["emqxApiUrl", "emqxApiKey", "emqxApiSecret"] as const;
const entry = ["requireCredentials", "registry"] as const;
const archive = ["archive", "s3Endpoint", "s3Region", "s3AccessKeyId", "s3SecretAccessKey"] as const;
const policy = ["silenceSeconds", "graceSeconds"] as const;
const logging = ["logLevel", "logFormat"] as const;

/** What is started: the four roles, and the scripts of a deployment. In the order in which they are explained. */
const roleOptions = {
  gateways: [
    ...serving,
    ...broker,
    "ingressConnections",
    "receiveMaximum",
    "ingressSessionSeconds",
    "ingressAwsPrefix",
    ...callers,
    "authnSecret",
    ...emqxApi,
    ...entry,
    ...logging,
  ],
  actors: [
    ...serving,
    ...log,
    ...redis,
    ...broker,
    "daprHttpPort",
    "daprGrpcPort",
    "callTimeoutMs",
    "actorProtocol",
    "actorPort",
    "idleTwinMinutes",
    "drainSeconds",
    "flushMs",
    "softStateMs",
    "sweepSeconds",
    "sweepShards",
    "registry",
    ...policy,
    ...logging,
  ],
  sinks: [
    ...serving,
    ...log,
    "telemetryRetentionDays",
    "minuteRetentionDays",
    "hourRetentionDays",
    "qualityRetentionDays",
    "eventRetentionDays",
    "timeSeries",
    "compressAfterDays",
    ...archive,
    "archiveRows",
    "archiveMinutes",
    "archiveRetentionDays",
    "clickhouseUrl",
    "clickhouseRetentionDays",
    "sinkBatchRecords",
    "sinkLingerMs",
    ...logging,
  ],
  apis: [
    ...serving,
    ...log,
    ...redis,
    "timeSeries",
    ...archive,
    ...broker,
    ...callers,
    ...emqxApi,
    ...entry,
    ...policy,
    ...logging,
  ],
  topics: [...kafka, "kafkaPartitions", "kafkaReplication", "logRetentionDays", ...logging],
  schemas: ["databaseUrl", ...registry, ...logging],
} as const satisfies Record<string, readonly RoleOption[]>;

/** Where a role listens on a machine where it is alone; more of it count on from there. */
export const roleHttpPorts = { gateways: 8101, actors: 8201, sinks: 8301, apis: 8080 } as const;

/** A role with processes that go on; `topics` and `schemas` run and end. */
export type Role = keyof typeof roleHttpPorts;
export const roles = Object.keys(roleHttpPorts) as readonly Role[];
export type ConfiguredRole = keyof typeof roleOptions;

export type RoleConfig<R extends ConfiguredRole> = Pick<ConfigOf<typeof options>, (typeof roleOptions)[R][number]>;

export type ReadRoleConfig<R extends ConfiguredRole> =
  | { readonly kind: "config"; readonly config: RoleConfig<R> }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

const about: Record<ConfiguredRole, string> = {
  gateways: "Takes what devices publish from the broker to their twins; answers the broker who may connect.",
  actors: "Hosts device twins as actors, with a Dapr sidecar of its own.",
  sinks: "Brings the records of the log into history and lists.",
  apis: "Serves API, live view and dashboard.",
  topics: "Makes the topics of the log, or brings them to what is said here. Ends when that is done.",
  schemas:
    "Checks this release's schemas against those that are registered, or registers them. Ends when that is done.",
};

/** Reads the options of a role; every problem is told at once. `name` and `advertisedUrl` are never empty in the result. */
export function readRoleConfig<R extends ConfiguredRole>(
  role: R,
  env: Env,
  argv: readonly string[] = [],
  readFile?: ReadFile,
): ReadRoleConfig<R> {
  const table = tableOf(role);
  if (asksForHelp(argv)) return { kind: "help", text: roleHelp(role) };
  const { values, problems } = readOptions(table, env, argv, readFile);
  problems.push(...guardProblems(values), ...pairProblems(values), ...securityProblems(values));
  if (problems.length > 0) return { kind: "problems", problems };
  return { kind: "config", config: { ...values, ...derived(role, values) } as RoleConfig<R> };
}

/** Of what is no role, with what goes before the options. */
const programs: Partial<Record<ConfiguredRole, string>> = {
  topics: "scripts/topics.ts",
  schemas: "scripts/schemas.ts check|register",
};

/** What `--help` of the role prints. */
export function roleHelp(role: ConfiguredRole): string {
  return [
    `node ${programs[role] ?? `${role}/start.ts`} [options]`,
    "",
    about[role],
    "Every option is an environment variable, and a flag that goes before it; secrets are variables alone.",
    "A secret, or a URL with one in it, can be in a file that NAME_FILE names: DATABASE_URL_FILE.",
    "",
    ...optionLines(tableOf(role)),
    "",
  ].join("\n");
}

/** The environment variables that the role reads, in the order of its help. */
export function roleVariables(role: ConfiguredRole): { readonly name: string; readonly secret: boolean }[] {
  return Object.values(tableOf(role)).map(({ env, secret }) => ({ name: env, secret: secret === true }));
}

/** C1, as for the embedded system: off loopback nobody gets in without credentials, and no device is taken in unasked. */
export function safetyOf(config: {
  readonly host: string;
  readonly requireCredentials?: "auto" | "yes";
  readonly registry: "auto" | "open" | "known";
}): { readonly openRegistry: boolean; readonly requireCredentials: boolean } {
  const loopback = isLoopback(config.host);
  return {
    requireCredentials: config.requireCredentials === "yes" || !loopback,
    openRegistry: config.registry === "open" || (config.registry === "auto" && loopback),
  };
}

/** The compiler gives names of keys as mere strings. */
function keysOf<T extends object>(table: T): (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}

function tableOf(role: ConfiguredRole): Record<string, Option> {
  const names: readonly RoleOption[] = roleOptions[role];
  const table: Record<string, Option> = Object.fromEntries(names.map((name) => [name, options[name]]));
  if (role === "schemas") table.databaseUrl = schemasDatabase;
  else if (role !== "topics") table.httpPort = { ...options.httpPort, default: String(roleHttpPorts[role]) };
  return table;
}

/** Of use only where no registry is named. */
const schemasDatabase = option(
  "DATABASE_URL",
  "",
  orNothing(postgresUrl),
  "PostgreSQL with the schemas, where no registry is named",
  { inFile: true },
);

type Values = Partial<ConfigOf<typeof options>>;

/** C1. Sixteen characters: what no one guesses over a network. */
function guardProblems({ host, authnSecret }: Values): string[] {
  if (host === undefined || isLoopback(host) || authnSecret === undefined) return [];
  if (authnSecret.length >= 16) return [];
  return [
    `DOPPEL_AUTHN_SECRET is ${authnSecret === "" ? "not set" : "shorter than 16 characters"}, and DOPPEL_HOST is "${host}": ` +
      "off loopback anybody could ask which passwords are right. Set both here and in EMQX to e.g. what `openssl rand -hex 24` prints.",
  ];
}

/** What is of use only together. */
function pairProblems(values: Values): string[] {
  const problems: string[] = [];
  const given = [values.emqxApiUrl, values.emqxApiKey, values.emqxApiSecret].filter(Boolean).length;
  if (given > 0 && given < 3)
    problems.push("EMQX_API_URL, EMQX_API_KEY and EMQX_API_SECRET belong together: set all three, or none.");
  if (values.mqttPassword && values.mqttUsername === "")
    problems.push("MQTT_PASSWORD is set without MQTT_USERNAME: set both, or none.");
  if (values.actorProtocol === "http" && values.actorPort === 0)
    problems.push(
      "DOPPEL_ACTOR_PROTOCOL is http, so the sidecar must know DOPPEL_ACTOR_PORT: set the same as daprd's.",
    );
  return problems;
}

function derived(role: ConfiguredRole, { name, host, httpPort, advertisedUrl }: Values): Partial<Values> {
  if (role in programs) return {};
  const reached = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host?.includes(":") ? `[${host}]` : host;
  return { name: name || `${role}-1`, advertisedUrl: advertisedUrl || `http://${reached}:${httpPort}` };
}
