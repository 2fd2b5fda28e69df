import { expect, test } from "vitest";
import { type ConfiguredRole, readRoleConfig, roleHelp, roles, roleVariables, safetyOf } from "./role-config.ts";

const database = { DATABASE_URL: "postgresql://doppel:secret@127.0.0.1:5432/doppel" };
const everyRole: ConfiguredRole[] = [...roles, "topics", "schemas"];

function configOf<R extends ConfiguredRole>(role: R, env: Record<string, string> = database, ...argv: string[]) {
  const read = readRoleConfig(role, env, argv);
  if (read.kind !== "config") throw new Error(JSON.stringify(read));
  return read.config;
}

function problemsOf(role: ConfiguredRole, env: Record<string, string>, ...argv: string[]) {
  const read = readRoleConfig(role, env, argv);
  return read.kind === "problems" ? read.problems : [];
}

test.each(everyRole)("%s needs no more than a database on a machine of its own", (role) => {
  expect(configOf(role)).toBeTypeOf("object");
});

test("a role has its own options and no other's", () => {
  expect(configOf("sinks")).toMatchObject({ httpPort: 8301, kafkaBrokers: ["127.0.0.1:9092"], eventRetentionDays: 90 });
  expect(configOf("sinks")).not.toHaveProperty("mqttUrl");
  expect(problemsOf("sinks", database, "--mqtt-url", "mqtt://127.0.0.1:1885")).toEqual([
    expect.stringMatching(/^--mqtt-url is no option; did you mean --\S+\? --help lists them all\.$/),
  ]);
});

test("another role's variables are no problem, since all roles are started from one environment", () => {
  expect(configOf("sinks", { ...database, MQTT_URL: "nonsense" })).toMatchObject({ name: "sinks-1" });
});

test("a flag goes before its variable", () => {
  expect(configOf("actors", { ...database, DOPPEL_NAME: "actors-2" }, "--name", "actors-3").name).toBe("actors-3");
});

test("every problem is told at once, with what is needed", () => {
  const env = { KAFKA_BROKERS: "kafka", REDIS_URL: "localhost", DOPPEL_ACTOR_PROTOCOL: "carrier-pigeon" };
  expect(problemsOf("actors", env)).toEqual([
    "DATABASE_URL is not set but needs a URL such as postgresql://user:password@127.0.0.1:5432/doppel.",
    'KAFKA_BROKERS is "kafka" but needs host:port, several separated by commas, such as 127.0.0.1:9092.',
    'REDIS_URL is "localhost" but needs a URL such as redis://127.0.0.1:6379.',
    'DOPPEL_ACTOR_PROTOCOL is "carrier-pigeon" but needs one of stream, http.',
  ]);
});

test("several brokers are read as a list", () => {
  expect(configOf("topics", { KAFKA_BROKERS: "kafka-1:9092, kafka-2:9092,[::1]:9092" }).kafkaBrokers).toEqual([
    "kafka-1:9092",
    "kafka-2:9092",
    "[::1]:9092",
  ]);
  expect(problemsOf("topics", { KAFKA_BROKERS: "kafka-1:9092,kafka-2:0" })).toHaveLength(1);
});

test("off loopback a gateway must share a secret with the broker", () => {
  const open = { ...database, DOPPEL_HOST: "0.0.0.0" };
  expect(problemsOf("gateways", open)).toEqual([expect.stringMatching(/^DOPPEL_AUTHN_SECRET is not set, and /)]);
  expect(problemsOf("gateways", { ...open, DOPPEL_AUTHN_SECRET: "hunter2" })).toEqual([
    expect.stringMatching(/^DOPPEL_AUTHN_SECRET is shorter than 16 characters/),
  ]);
  expect(configOf("gateways", { ...open, DOPPEL_AUTHN_SECRET: "0123456789abcdef" }).host).toBe("0.0.0.0");
});

test("off loopback credentials are required and unknown devices are refused", () => {
  expect(safetyOf(configOf("apis", { ...database, DOPPEL_HOST: "0.0.0.0" }))).toEqual({
    requireCredentials: true,
    openRegistry: false,
  });
  expect(safetyOf(configOf("apis"))).toEqual({ requireCredentials: false, openRegistry: true });
  expect(safetyOf(configOf("apis", database, "--require-credentials", "yes"))).toMatchObject({
    requireCredentials: true,
  });
});

test("what belongs together is asked for together", () => {
  expect(problemsOf("apis", { ...database, EMQX_API_URL: "http://emqx:18083", MQTT_PASSWORD: "secret" })).toEqual([
    expect.stringContaining("EMQX_API_URL, EMQX_API_KEY and EMQX_API_SECRET"),
    expect.stringContaining("MQTT_USERNAME"),
  ]);
  expect(problemsOf("actors", { ...database, DOPPEL_ACTOR_PROTOCOL: "http" })).toEqual([
    expect.stringContaining("DOPPEL_ACTOR_PORT"),
  ]);
});

test("a secret is not repeated, and is taken from no command line", () => {
  const [refused] = problemsOf("gateways", { DATABASE_URL: "mysql://me:hunter2@db/doppel" });
  expect(refused).toContain("me:***@db");
  expect(problemsOf("gateways", database, "--mqtt-password", "hunter2")).toEqual([
    "--mqtt-password is no option, since others on the machine can read a command line: set MQTT_PASSWORD.",
  ]);
});

test("others are told where a role can be reached", () => {
  expect(configOf("actors").advertisedUrl).toBe("http://127.0.0.1:8201");
  expect(configOf("actors", database, "--host", "::1", "--http-port", "9").advertisedUrl).toBe("http://[::1]:9");
  expect(configOf("actors", { ...database, DOPPEL_ADVERTISED_URL: "http://actors-1:8201" }).advertisedUrl).toBe(
    "http://actors-1:8201",
  );
});

test.each(everyRole)("the help of %s lists every variable that it reads, aligned", (role) => {
  const read = readRoleConfig(role, {}, ["--help"]);
  expect(read).toEqual({ kind: "help", text: roleHelp(role) });
  const rows = roleHelp(role)
    .split("\n")
    .filter((line) => line.startsWith("  "));
  for (const [index, { name }] of roleVariables(role).entries()) expect(rows[index]).toContain(` ${name} `);
  const columns = rows.map((row) => /^ {2}(--\S+( …)?)? +[A-Z0-9_]+ +/.exec(row)?.[0].length);
  expect(new Set(columns).size).toBe(1);
});

test("the secrets are known as such", () => {
  const secrets = everyRole.flatMap(roleVariables).filter(({ secret }) => secret);
  expect([...new Set(secrets.map(({ name }) => name))].toSorted()).toEqual([
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "DOPPEL_AUTHN_SECRET",
    "EMQX_API_SECRET",
    "MQTT_PASSWORD",
  ]);
});
