import { parseArgs } from "node:util";

export type SimulatorOptions = {
  readonly mqttUrl: string;
  readonly apiUrl: string;
  readonly apiKey: string | undefined;
  readonly token: string | undefined;
  readonly devices: number;
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
  readonly prefix: string;
  readonly sleepers: number;
  readonly duplicates: number;
  readonly bad: number;
  readonly losses: number;
  readonly csv: string | null;
  readonly speed: number;
  readonly device: string | null;
  readonly metric: string;
};

type Option = {
  readonly kind: "text" | "number";
  readonly default: string;
  readonly min?: number;
  readonly max?: number;
  readonly meaning: string;
};

const table: Record<string, Option> = {
  mqtt: { kind: "text", default: "mqtt://127.0.0.1:1883", meaning: "MQTT server" },
  api: { kind: "text", default: "http://127.0.0.1:8080", meaning: "HTTP API, where the fleet is registered" },
  "api-key": { kind: "text", default: "", meaning: "API key, where one is required" },
  token: { kind: "text", default: "", meaning: "device token (password), where one is required" },
  devices: { kind: "number", default: "100", min: 1, max: 20_000, meaning: "how many devices" },
  rate: { kind: "number", default: "1", min: 0.001, max: 100, meaning: "messages per second and device" },
  seconds: { kind: "number", default: "0", min: 0, max: 604_800, meaning: "how long; 0: until Ctrl-C" },
  seed: { kind: "number", default: "1", min: 0, max: 4_294_967_295, meaning: "the same seed gives the same fleet" },
  prefix: { kind: "text", default: "sim-", meaning: "what device ids begin with" },
  sleepers: { kind: "number", default: "0.1", min: 0, max: 1, meaning: "share of devices that sleep between messages" },
  duplicates: { kind: "number", default: "0.01", min: 0, max: 1, meaning: "share of messages sent again" },
  bad: { kind: "number", default: "0.005", min: 0, max: 1, meaning: "share of messages that no twin can take" },
  losses: { kind: "number", default: "0.2", min: 0, max: 60, meaning: "connection losses per device and minute" },
  csv: { kind: "text", default: "", meaning: "play this file (timestamp,value) as one device instead" },
  speed: { kind: "number", default: "3600", min: 0.001, max: 1e12, meaning: "with --csv: times faster than recorded" },
  device: { kind: "text", default: "", meaning: "with --csv: the device's id; default: the file's name" },
  metric: { kind: "text", default: "value", meaning: "with --csv: the metric's name" },
};

/** Reads the command line; every problem is told at once. */
export function readOptions(
  argv: readonly string[],
):
  | { kind: "options"; options: SimulatorOptions }
  | { kind: "help"; text: string }
  | { kind: "problems"; problems: string[] } {
  let values: Record<string, string | boolean | undefined>;
  try {
    const options = Object.fromEntries(Object.keys(table).map((name) => [name, { type: "string" as const }]));
    ({ values } = parseArgs({ args: [...argv], options: { ...options, help: { type: "boolean", short: "h" } } }));
  } catch (error) {
    return { kind: "problems", problems: [`${(error as Error).message} See --help.`] };
  }
  if (values.help === true) return { kind: "help", text: helpText() };
  const problems: string[] = [];
  const text = (name: string) => (values[name] as string | undefined) ?? table[name]!.default;
  const number = (name: string) => {
    const { min = 0, max = Number.MAX_VALUE } = table[name]!;
    const value = Number(text(name));
    if (!(value >= min && value <= max))
      problems.push(`--${name} is "${text(name)}" but needs a number from ${min} to ${max}.`);
    return value;
  };
  const options: SimulatorOptions = {
    mqttUrl: text("mqtt"),
    apiUrl: text("api"),
    apiKey: text("api-key") || undefined,
    token: text("token") || undefined,
    devices: Math.floor(number("devices")),
    rate: number("rate"),
    seconds: number("seconds"),
    seed: Math.floor(number("seed")),
    prefix: text("prefix"),
    sleepers: number("sleepers"),
    duplicates: number("duplicates"),
    bad: number("bad"),
    losses: number("losses"),
    csv: text("csv") || null,
    speed: number("speed"),
    device: text("device") || null,
    metric: text("metric"),
  };
  return problems.length > 0 ? { kind: "problems", problems } : { kind: "options", options };
}

function helpText(): string {
  const lines = Object.entries(table).map(
    ([name, { default: standard, meaning }]) =>
      `  --${name.padEnd(12)} ${meaning}${standard === "" ? "" : ` (${standard})`}`,
  );
  return `npm run simulate -- [options]\n\nConnects a simulated fleet, or plays a recorded series.\n\n${lines.join("\n")}\n`;
}
