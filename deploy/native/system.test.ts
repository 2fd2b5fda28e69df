/** The scripts around the roles, with real services and sidecars, and a program of a few lines as every role. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type NativeSystem, startNative } from "./system.ts";

const folder = mkdtempSync(join(tmpdir(), "doppel-up-"));
chmodSync(folder, 0o755); // PostgreSQL may run as another user
const program = join(folder, "role.mjs");
const said: string[] = [];
let system: NativeSystem;

/** Says what it was started with. Stops in order, and leaves word of it. */
writeFileSync(
  program,
  `import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
const { DOPPEL_HTTP_PORT, DOPPEL_HOST, DOPPEL_NAME } = process.env;
createServer((request, response) => {
  if (request.url === "/env") response.end(JSON.stringify(process.env));
  else response.end("ok");
}).listen(Number(DOPPEL_HTTP_PORT), DOPPEL_HOST);
process.on("SIGTERM", () => {
  writeFileSync(process.argv[2] + "/" + DOPPEL_NAME + ".stopped", "");
  process.exit(0);
});
`,
);

const available = await import("./dapr-build.ts")
  .then(({ daprBinaries }) => daprBinaries())
  .then(
    () => true,
    () => false,
  );
if (!available && process.env.CI) throw new Error("Dapr cannot be built. Install Go.");
if (!available) console.warn("SKIPPED: the native scripts need Go, to build Dapr.");

const start = (more: object = {}) =>
  startNative({
    folder,
    actors: 2,
    gateways: 1,
    ports: "free",
    durable: false,
    env: { DOPPEL_SILENCE_SECONDS: "7" },
    say: (line) => said.push(line),
    command: () => ({ program: process.execPath, args: [program, folder] }),
    topics: { program: process.execPath, args: ["-e", "console.log(process.env.KAFKA_BROKERS)"] },
    ...more,
  });

beforeAll(async () => {
  if (available) system = await start();
}, 600_000);
afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const environmentOf = async (name: string) =>
  (await (await fetch(`${system.urlOf(name)}/env`)).json()) as Record<string, string>;
const stateOf = (name: string) => system.process(name).status().state;

test.skipIf(!available)("services, sidecars and roles are up, each under its name", () => {
  expect([...system.processes.keys()]).toEqual([
    ...["postgres", "kafka", "redis", "mosquitto", "placement", "scheduler"],
    ...["gateways-1", "gateways-1-daprd", "actors-1", "actors-1-daprd", "actors-2", "actors-2-daprd"],
    ...["sinks-1", "apis-1", "apis-1-daprd"],
  ]);
  for (const { state, pid } of system.status()) expect([state, pid]).toEqual(["running", expect.any(Number)]);
});

test.skipIf(!available)("a role is told where everything is", async () => {
  const env = await environmentOf("actors-2");
  expect(env).toMatchObject({
    DOPPEL_NAME: "actors-2",
    DOPPEL_SILENCE_SECONDS: "7",
    DATABASE_URL: system.places.databaseUrl,
  });
  const sidecar = await fetch(`http://127.0.0.1:${env.DAPR_HTTP_PORT}/v1.0/metadata`);
  expect(await sidecar.json()).toMatchObject({ id: "doppel-actors" });
  expect(await environmentOf("gateways-1")).toMatchObject({ MQTT_URL: system.places.mqttUrl });
});

test.skipIf(!available)("the topics are made before any role starts", () => {
  expect(readFileSync(join(folder, "logs", "topics.log"), "utf8").trim()).toBe(system.places.kafkaBrokers.join(","));
});

test.skipIf(!available)("a role that dies comes back by itself", async () => {
  const before = system.process("actors-1").status();
  process.kill(before.pid!, "SIGKILL");
  await vi.waitFor(
    () => expect(system.process("actors-1").status()).toMatchObject({ state: "running", restarts: 1 }),
    15_000,
  );
  expect(system.process("actors-1").status().pid).not.toBe(before.pid);
});

test.skipIf(!available)("a host that is killed for good stays down, and comes back when it is started", async () => {
  await Promise.all([system.process("actors-2").kill(), system.process("actors-2-daprd").kill()]);
  expect([stateOf("actors-2"), stateOf("actors-2-daprd")]).toEqual(["stopped", "stopped"]);
  await Promise.all([system.process("actors-2").start(), system.process("actors-2-daprd").start()]);
  expect(await environmentOf("actors-2")).toMatchObject({ DOPPEL_NAME: "actors-2" });
});

test.skipIf(!available).each(["postgres", "redis", "mosquitto", "placement", "kafka"])(
  "%s, killed and started again, is where it was",
  async (name) => {
    const before = { ...system.places };
    const placement = (await environmentOf("actors-1")).DAPR_HTTP_PORT;
    await system.process(name).kill();
    await system.process(name).start();
    expect(system.places).toEqual(before);
    expect((await environmentOf("actors-1")).DAPR_HTTP_PORT).toBe(placement);
  },
  60_000,
);

test.skipIf(!available)("a paused host hangs until it is resumed", async () => {
  await system.process("actors-1").pause();
  const asked = environmentOf("actors-1");
  expect(await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 300, "nothing"))])).toBe("nothing");
  await system.process("actors-1").resume();
  expect(await asked).toMatchObject({ DOPPEL_NAME: "actors-1" });
});

test.skipIf(!available)(
  "hosts are added and taken away, orderly",
  async () => {
    await system.scale("actors", 3);
    expect(await environmentOf("actors-3")).toMatchObject({ DOPPEL_NAME: "actors-3" });
    await system.scale("actors", 1);
    expect(() => system.process("actors-2")).toThrow('There is no process "actors-2". There are: postgres, ');
    expect(existsSync(join(folder, "actors-3.stopped"))).toBe(true);
  },
  60_000,
);

test.skipIf(!available)("a second system on the same folder is refused, and the first goes on", async () => {
  await expect(start()).rejects.toThrow("npm run down:native");
  expect(stateOf("sinks-1")).toBe("running");
});

test.skipIf(!available)(
  "the end is orderly, and leaves no process",
  async () => {
    const pids = system.status().flatMap(({ pid }) => pid ?? []);
    await system.stop();
    expect(existsSync(join(folder, "gateways-1.stopped"))).toBe(true);
    expect(pids.filter(isThere)).toEqual([]);
  },
  60_000,
);

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
