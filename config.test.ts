import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

function configOf(env: Record<string, string>, ...argv: string[]) {
  const read = readConfig(env, argv);
  if (read.kind !== "config") throw new Error(JSON.stringify(read));
  return read.config;
}

test("without any option everything has its default", () => {
  expect(configOf({})).toMatchObject({ host: "127.0.0.1", mqttPort: 1883, httpPort: 8080, demo: false, flushMs: 5 });
});

test("a flag goes before its environment variable", () => {
  const env = { DOPPEL_MQTT_PORT: "1884", DOPPEL_HTTP_PORT: "8081" };
  expect(configOf(env, "--mqtt-port", "1885")).toMatchObject({ mqttPort: 1885, httpPort: 8081 });
  expect(configOf(env, "--mqtt-port=1886", "--demo")).toMatchObject({ mqttPort: 1886, demo: true });
});

test("an empty environment variable counts as not set", () => {
  expect(configOf({ DATABASE_URL: "", DOPPEL_MQTT_PORT: "" })).toMatchObject({ databaseUrl: "", mqttPort: 1883 });
});

test("every problem is told at once, with what is needed", () => {
  const env = { DOPPEL_MQTT_PORT: "eighty", DOPPEL_REGISTRY: "ajar", DATABASE_URL: "localhost" };
  const read = readConfig(env, ["--flush-ms", "0", "--htp-port", "1"]);
  expect(read).toEqual({
    kind: "problems",
    problems: [
      "--htp-port is no option; did you mean --http-port? --help lists them all.",
      'DOPPEL_MQTT_PORT is "eighty" but needs a port from 0 to 65535.',
      'DATABASE_URL is "localhost" but needs a URL such as postgresql://user:password@127.0.0.1:5432/doppel.',
      'DOPPEL_REGISTRY is "ajar" but needs one of auto, open, known.',
      '--flush-ms is "0" but needs a whole number from 1 to 1000.',
    ],
  });
});

test("a flag without its value says so", () => {
  expect(readConfig({}, ["--host", "--demo"])).toMatchObject({
    problems: [expect.stringContaining("--host needs a value")],
  });
});

test("help lists every option with its environment variable", () => {
  const read = readConfig({}, ["--help"]);
  const text = read.kind === "help" ? read.text : "";
  for (const name of ["--mqtt-port", "DOPPEL_MQTT_PORT", "DATABASE_URL", "--idle-twin-minutes"])
    expect(text).toContain(name);
});

test("a password in a refused database URL is not repeated", () => {
  expect(readConfig({ DATABASE_URL: "postgress://me:secret@db/doppel" }, [])).toMatchObject({
    problems: [expect.stringMatching(/^DATABASE_URL is "postgress:\/\/me:\*\*\*@db\/doppel" but needs a URL/)],
  });
});

test("two servers on one port are a problem, on any free port they are not", () => {
  expect(readConfig({ DOPPEL_MQTT_PORT: "8080" }, [])).toEqual({
    kind: "problems",
    problems: ["--mqtt-port and --http-port are both 8080: each needs a port of its own."],
  });
  expect(configOf({}, "--mqtt-port", "0", "--mqtt-ws-port", "0", "--http-port", "0")).toMatchObject({ httpPort: 0 });
});

test("help is aligned: every meaning begins in the same column", () => {
  const read = readConfig({}, ["-h"]);
  const rows = (read.kind === "help" ? read.text : "").split("\n").filter((line) => /^ {2}--/.test(line));
  const columns = rows.map((row) => /^ {2}--\S+( …)? +[A-Z0-9_]+ +/.exec(row)?.[0].length);
  expect(new Set(columns).size).toBe(1);
});

test("what TLS needs belongs together, and its ports are ports like the others", () => {
  const together = "DOPPEL_TLS_CERT and DOPPEL_TLS_KEY belong together: set both, or none.";
  expect(readConfig({ DOPPEL_TLS_CERT: "a.crt" }, [])).toMatchObject({ problems: [together] });
  expect(readConfig({}, ["--tls-key", "a.key"])).toMatchObject({ problems: [together] });
  expect(readConfig({ DOPPEL_TLS_CLIENT_CA: "ca.crt" }, [])).toMatchObject({
    problems: [expect.stringContaining("DOPPEL_TLS_CLIENT_CA is of no use without DOPPEL_TLS_CERT")],
  });
  const clash = ["--http-port", "8443"];
  expect(configOf({}, ...clash)).toMatchObject({ httpPort: 8443, tlsCert: "" });
  expect(readConfig({ DOPPEL_TLS_CERT: "a.crt", DOPPEL_TLS_KEY: "a.key" }, clash)).toMatchObject({
    problems: ["--http-port and --https-port are both 8443: each needs a port of its own."],
  });
});
