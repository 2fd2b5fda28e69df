/**
 * Every option of the embedded system, as one table: environment variable, command-line flag, default, unit, meaning.
 * Pure: `start.ts` hands in the environment and the arguments. A flag goes before its environment variable.
 */
import { join } from "node:path";
import { isLoopback } from "./core/loopback.ts";

export type Config = {
  readonly host: string;
  readonly mqttPort: number;
  readonly mqttWsPort: number;
  readonly httpPort: number;
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly requireCredentials: "auto" | "yes";
  readonly registry: "auto" | "open" | "known";
  readonly demo: boolean;
  readonly demoDevices: number;
  readonly silenceSeconds: number;
  readonly graceSeconds: number;
  readonly restartGraceSeconds: number;
  readonly telemetryRetentionDays: number;
  readonly eventRetentionDays: number;
  readonly logRetentionDays: number;
  readonly maxPacketBytes: number;
  readonly flushMs: number;
  readonly checkpointSeconds: number;
  readonly idleTwinMinutes: number;
  readonly maxTwinsInMemory: number;
  readonly logLevel: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  readonly logFormat: "auto" | "json" | "pretty";
};

export type ReadConfig =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

type Parse = (text: string) => unknown | Problem;
type Problem = { readonly needs: string };
type Option = {
  readonly env: string;
  readonly default: string;
  readonly parse: Parse;
  readonly meaning: string;
  /** A flag that stands alone: `--demo`. */
  readonly switch?: true;
};

const options: { readonly [Name in keyof Config]: Option } = {
  host: option("DOPPEL_HOST", "127.0.0.1", address, "address to listen on; anything but loopback requires credentials"),
  mqttPort: option("DOPPEL_MQTT_PORT", "1883", port, "MQTT port; 0: any free one"),
  mqttWsPort: option("DOPPEL_MQTT_WS_PORT", "8083", port, "port of MQTT over WebSocket; 0: any free one"),
  httpPort: option("DOPPEL_HTTP_PORT", "8080", port, "port of dashboard and API; 0: any free one"),
  dataDir: option("DOPPEL_DATA_DIR", join(import.meta.dirname, ".doppel"), text, "folder of the embedded database"),
  databaseUrl: option("DATABASE_URL", "", databaseUrl, "PostgreSQL to use instead of the embedded one"),
  requireCredentials: option("DOPPEL_REQUIRE_CREDENTIALS", "auto", oneOf("auto", "yes"), "auto: only off loopback"),
  registry: option(
    "DOPPEL_REGISTRY",
    "auto",
    oneOf("auto", "open", "known"),
    "open: a device is registered by its first contact; known: by the API alone; auto: open on loopback",
  ),
  demo: { ...option("DOPPEL_DEMO", "no", yesOrNo, "runs a simulated fleet inside"), switch: true },
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

/** Reads all options; every problem is told at once. */
export function readConfig(env: Readonly<Record<string, string | undefined>>, argv: readonly string[]): ReadConfig {
  if (argv.includes("--help") || argv.includes("-h")) return { kind: "help", text: helpText() };
  const problems: string[] = [];
  const flags = readFlags(argv, problems);
  const config: Record<string, unknown> = {};
  for (const [name, { env: variable, default: standard, parse }] of Object.entries(options)) {
    const flag = flags.get(name);
    const given = flag ?? (env[variable] || undefined);
    const value = parse(given ?? standard);
    if (isProblem(value))
      problems.push(
        `${flag === undefined ? variable : flagOf(name)} is "${withoutPassword(given ?? "")}" but needs ${value.needs}.`,
      );
    else config[name] = value;
  }
  if (config.demo === true && (config.requireCredentials === "yes" || !isLoopback(String(config.host))))
    problems.push("--demo runs without credentials, so it needs a loopback address and --require-credentials auto.");
  problems.push(...samePorts(config as Partial<Config>));
  return problems.length > 0 ? { kind: "problems", problems } : { kind: "config", config: config as Config };
}

function readFlags(argv: readonly string[], problems: string[]): Map<string, string> {
  const names = new Map(Object.keys(options).map((name) => [flagOf(name), name as keyof Config]));
  const flags = new Map<string, string>();
  for (let index = 0; index < argv.length; index += 1) {
    const [flag, inline] = splitOnce(argv[index]!);
    const name = names.get(flag);
    if (name === undefined) {
      problems.push(`${flag} is no option; did you mean ${nearest(flag, [...names.keys()])}? --help lists them all.`);
      if (inline === undefined && argv[index + 1]?.startsWith("--") === false) index += 1;
      continue;
    }
    if (inline !== undefined) flags.set(name, inline);
    else if (options[name].switch) flags.set(name, "yes");
    else if (argv[index + 1] === undefined || argv[index + 1]!.startsWith("--"))
      problems.push(`${flag} needs a value: ${options[name].meaning}.`);
    else flags.set(name, argv[++index]!);
  }
  return flags;
}

/** Two servers on one port: said here, where the names are known, not by the second one's failure. */
function samePorts(config: Partial<Config>): string[] {
  const ports = (["mqttPort", "mqttWsPort", "httpPort"] as const).filter((name) => (config[name] ?? 0) !== 0);
  return ports.flatMap((name, index) =>
    ports
      .slice(index + 1)
      .filter((other) => config[other] === config[name])
      .map((other) => `${flagOf(name)} and ${flagOf(other)} are both ${config[name]}: each needs a port of its own.`),
  );
}

/** What was given is shown to the person, and may end in a log: `scheme://user:password@host` keeps its password. */
function withoutPassword(given: string): string {
  return given.replace(/:[^:/]*@/, ":***@");
}

function helpText(): string {
  const rows = Object.entries(options).map(([name, { env, default: standard, meaning, switch: alone }]) => ({
    flag: alone ? flagOf(name) : `${flagOf(name)} …`,
    env,
    meaning: standard === "" ? meaning : `${meaning} (${name === "dataDir" ? ".doppel beside the code" : standard})`,
  }));
  const flagWidth = Math.max(...rows.map(({ flag }) => flag.length));
  const envWidth = Math.max(...rows.map(({ env }) => env.length));
  const lines = rows.map(
    ({ flag, env, meaning }) => `  ${flag.padEnd(flagWidth)}  ${env.padEnd(envWidth)}  ${meaning}`,
  );
  return [
    "npm start -- [options]",
    "",
    "Runs the embedded Doppel: MQTT, API, dashboard and database in one process.",
    "Every option is also an environment variable; a flag goes before it.",
    "",
    ...lines,
    "",
    "Credentials, for an address off loopback:",
    "  npm run credentials -- --help",
    "",
  ].join("\n");
}

function option(env: string, standard: string, parse: Parse, meaning: string): Option {
  return { env, default: standard, parse, meaning };
}

function text(value: string): string | Problem {
  return value === "" ? { needs: "a value" } : value;
}

function address(value: string): string | Problem {
  return /^[a-zA-Z0-9.:-]+$/.test(value) ? value : { needs: "an address such as 127.0.0.1 or 0.0.0.0" };
}

function port(value: string): number | Problem {
  return wholeNumber(value, 0, 65_535) ?? { needs: "a port from 0 to 65535" };
}

function databaseUrl(value: string): string | Problem {
  return value === "" || /^postgres(ql)?:\/\//.test(value)
    ? value
    : { needs: "a URL such as postgresql://user:password@127.0.0.1:5432/doppel" };
}

function whole(min: number, max: number): Parse {
  return (value) => wholeNumber(value, min, max) ?? { needs: `a whole number from ${min} to ${max}` };
}

function wholeNumber(value: string, min: number, max: number): number | null {
  const number = Number(value);
  return /^\d+$/.test(value) && number >= min && number <= max ? number : null;
}

function oneOf(...choices: string[]): Parse {
  return (value) => (choices.includes(value) ? value : { needs: `one of ${choices.join(", ")}` });
}

function yesOrNo(value: string): boolean | Problem {
  if (["yes", "true", "1"].includes(value)) return true;
  return ["no", "false", "0", ""].includes(value) ? false : { needs: "yes or no" };
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "needs" in value;
}

/** `mqttPort` → `--mqtt-port` */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function splitOnce(argument: string): [string, string | undefined] {
  const at = argument.indexOf("=");
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
}

function nearest(flag: string, known: readonly string[]): string {
  return known.toSorted((a, b) => distance(flag, a) - distance(flag, b))[0]!;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries())
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (letter === other ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
