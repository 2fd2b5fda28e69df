import { describe, expect, test } from "vitest";
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
    "KAFKA_SASL_PASSWORD",
    "MQTT_PASSWORD",
    "REDIS_PASSWORD",
  ]);
});

describe("secrets in files", () => {
  const files: Record<string, string> = { "/run/db": "postgresql://me:secret@db/doppel\n", "/run/empty": "\n" };
  const readFile = (path: string) => files[path] ?? unreadable();
  const unreadable = (): never => {
    throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  };
  const read = (env: Record<string, string>) => readRoleConfig("gateways", env, [], readFile);

  test("a URL with a password and a password are read from the files that …_FILE names", () => {
    const env = { DATABASE_URL_FILE: "/run/db", MQTT_USERNAME: "doppel", MQTT_PASSWORD_FILE: "/run/pw" };
    files["/run/pw"] = "a secret";
    expect(read(env)).toMatchObject({
      kind: "config",
      config: { databaseUrl: "postgresql://me:secret@db/doppel", mqttPassword: "a secret" },
    });
  });

  test("a file that is not there, an empty one, and both at once are problems that name the variable", () => {
    expect(read({ ...database, MQTT_PASSWORD_FILE: "/run/none" })).toMatchObject({
      problems: [expect.stringMatching(/^MQTT_PASSWORD_FILE is "\/run\/none", which cannot be read/)],
    });
    expect(read({ ...database, MQTT_PASSWORD_FILE: "/run/empty" })).toMatchObject({
      problems: [expect.stringMatching(/^MQTT_PASSWORD_FILE is "\/run\/empty", which is empty/)],
    });
    expect(read({ ...database, DATABASE_URL_FILE: "/run/db" })).toMatchObject({
      problems: ["DATABASE_URL and DATABASE_URL_FILE are both set: set one of them."],
    });
  });
});

describe("TLS and passwords of services", () => {
  const refused = (env: Record<string, string>) => problemsOf("actors", { ...database, ...env });

  test("what belongs together is asked for together", () => {
    expect(refused({ KAFKA_CERT_FILE: "a.crt" })).toEqual([
      "KAFKA_CERT_FILE and KAFKA_KEY_FILE belong together: set both, or none.",
    ]);
    expect(refused({ MQTT_URL: "mqtts://b:8883", MQTT_KEY_FILE: "a.key" })).toEqual([
      "MQTT_CERT_FILE and MQTT_KEY_FILE belong together: set both, or none.",
    ]);
    for (const env of [
      { KAFKA_SASL_MECHANISM: "plain" },
      { KAFKA_SASL_MECHANISM: "scram-sha-512", KAFKA_SASL_USERNAME: "me" },
      { KAFKA_SASL_USERNAME: "me", KAFKA_SASL_PASSWORD: "secret" },
    ] as Record<string, string>[])
      expect(refused(env)).toEqual([expect.stringMatching(/^KAFKA_SASL_MECHANISM is .* set all three, or none\.$/)]);
  });

  test("a mechanism that there is not is refused", () => {
    expect(refused({ KAFKA_SASL_MECHANISM: "gssapi" })).toContain(
      'KAFKA_SASL_MECHANISM is "gssapi" but needs one of none, plain, scram-sha-256, scram-sha-512.',
    );
  });

  test("files for TLS where the URL has none are refused, since nothing would be encrypted", () => {
    const env = {
      REDIS_CA_FILE: "ca",
      MQTT_CA_FILE: "ca",
      SCHEMA_REGISTRY_URL: "http://r/",
      SCHEMA_REGISTRY_CA_FILE: "ca",
    };
    expect(refused(env)).toEqual([
      "MQTT_CA_FILE is of no use without TLS: MQTT_URL has to begin with mqtts://.",
      "REDIS_CA_FILE is of no use without TLS: REDIS_URL has to begin with rediss://.",
      "SCHEMA_REGISTRY_CA_FILE is of no use without TLS: SCHEMA_REGISTRY_URL has to begin with https://.",
    ]);
  });

  test("a password in MQTT_URL is refused, and not repeated", () => {
    const [problem, ...others] = refused({ MQTT_URL: "mqtt://me:secret@broker:1885" });
    expect(problem).toMatch(/^MQTT_URL holds a password, and URLs are logged: set MQTT_USERNAME and MQTT_PASSWORD/);
    expect([problem, others].join()).not.toContain("secret");
    expect(others).toEqual([]);
  });
});
