/**
 * The whole distributed system on loopback: services, topics, then each instance of each role with its sidecar; all
 * supervised. `up.ts` runs it for people, tests and benchmarks call `startNative` themselves.
 *
 * N1: nothing of it outlives the process that started it (process.ts, cluster.ts).
 * N2: a folder is used by one system at a time.
 */
import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { claim } from "../../ports/postgres/claim.ts";
import { ClusterInUse } from "../../ports/postgres/errors.ts";
import type { Role } from "../../role-config.ts";
import {
  brokerPorts,
  type Counts,
  defaultCounts,
  type Instance,
  instanceOf,
  instancesOf,
  type Places,
  sidecarOf,
  topicsProgram,
} from "../topology.ts";
import { daprBinaries } from "./dapr-build.ts";
import { freePort, NativeProcessFailed, portAnswers } from "./process.ts";
import {
  type Command,
  type InstancePorts,
  isReady,
  logOf,
  nodeCommand,
  type RoleContext,
  startRole,
  startSidecar,
} from "./role-process.ts";
import {
  emqxIngress,
  ingressAwsPrefix,
  ingressSessionSeconds,
  nativeServices,
  type OutsideBroker,
} from "./services.ts";
import { type ProcessStatus, Supervised } from "./supervisor.ts";

export type NativeOptions = Partial<Counts> & {
  /** For data, logs and state; made when it is not there. A short path: PostgreSQL's socket is in it. */
  readonly folder: string;
  /** "default": those of deploy/topology.ts where they are free. */
  readonly ports?: "default" | "free";
  /** Goes over the variables of every role, e.g. DOPPEL_SILENCE_SECONDS. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly say?: (line: string) => void;
  /** Kafka brokers; 1 */
  readonly brokers?: 1 | 3;
  /** false: PostgreSQL does not wait for the disk. For tests. */
  readonly durable?: boolean;
  /** Instead of mosquitto. */
  readonly broker?: OutsideBroker;
  /** Hears of each change of a process, from the first one on. */
  readonly onChange?: (status: readonly ProcessStatus[]) => void;
  /** Other programs in the place of roles and of the script for the topics. For tests of this file. */
  readonly command?: (instance: Instance) => Command;
  readonly topics?: Command;
};

export type NativeSystem = {
  /** Dashboard and API. */
  readonly httpUrl: string;
  /** For devices. */
  readonly mqttUrl: string;
  readonly wsUrl: string;
  readonly places: Places;
  /** By name, in the order of their start: "postgres", "kafka", …, "actors-1", "actors-1-daprd", … */
  readonly processes: ReadonlyMap<string, Supervised>;
  /** @throws UnknownProcess */
  process(name: string): Supervised;
  /** Where a role's process answers /healthz, /readyz, /metrics: "http://127.0.0.1:8201". @throws UnknownProcess */
  urlOf(instance: string): string;
  status(): ProcessStatus[];
  /** Starts or stops, newest first, until there are so many; waits until new ones are ready. */
  scale(role: Role, count: number): Promise<void>;
  /** Resolves when every role says that it is ready. @throws NativeProcessFailed when that takes too long */
  ready(limitMs?: number): Promise<void>;
  /** Orderly: roles first, services last. Idempotent. */
  stop(): Promise<void>;
};

/** No process has that name; the message says which there are. */
export class UnknownProcess extends Error {
  override readonly name = "UnknownProcess";
  readonly code = "UNKNOWN_PROCESS";
  readonly retry = "never";
  constructor(asked: string, names: Iterable<string>) {
    super(`There is no process "${asked}". There are: ${[...names].join(", ")}.`);
  }
}

/** Another process runs a system on this folder. */
export class NativeInUse extends Error {
  override readonly name = "NativeInUse";
  readonly code = "NATIVE_IN_USE";
  readonly retry = "never";
}

const repository = fileURLToPath(new URL("../..", import.meta.url));
const readyLimitMs = 120_000;

/** Starts everything and waits until it is ready. What was started before a failure is stopped again. */
export async function startNative(options: NativeOptions): Promise<NativeSystem> {
  const say = options.say ?? (() => {});
  const { folder } = options;
  mkdirSync(folder, { recursive: true }); // PostgreSQL, which does not run as root, must be able to pass
  mkdirSync(join(folder, "logs"), { recursive: true, mode: 0o700 });
  const system = new System(options, hold(folder), say);
  try {
    await system.start();
    return system;
  } catch (error) {
    say("That did not work; stopping what was started …");
    await system.stop();
    throw error;
  }
}

/** N2 */
function hold(folder: string): () => void {
  try {
    return claim(folder).release;
  } catch (error) {
    if (!(error instanceof ClusterInUse)) throw error;
    throw new NativeInUse(`Another process runs the distributed Doppel on ${folder}. Stop it: npm run down:native`);
  }
}

class System implements NativeSystem {
  readonly processes = new Map<string, Supervised>();
  readonly #instances = new Map<string, { readonly instance: Instance; readonly ports: InstancePorts }>();
  readonly #options: NativeOptions;
  readonly #say: (line: string) => void;
  readonly #release: () => void;
  #context: RoleContext | null = null;
  #places: (() => Places) | null = null;
  #wsUrl = "";
  #mqttUrl = "";
  #closePresence: () => Promise<void> = async () => {};
  #stopping: Promise<void> | null = null;
  readonly #taken = new Set<number>();

  constructor(options: NativeOptions, release: () => void, say: (line: string) => void) {
    this.#options = options;
    this.#release = release;
    this.#say = say;
  }

  get httpUrl(): string {
    return this.urlOf("apis-1");
  }

  get mqttUrl(): string {
    return this.#mqttUrl;
  }

  get wsUrl(): string {
    return this.#wsUrl;
  }

  get places(): Places {
    return this.#places!();
  }

  async start(): Promise<void> {
    await this.#startServices();
    this.#say("Topics of the log …");
    await this.#makeTopics();
    const counts: Counts = { ...defaultCounts, ...given(this.#options) };
    const instances = instancesOf(counts);
    this.#say(`Roles: ${instances.map(({ name }) => name).join(", ")} …`);
    for (const instance of instances) await this.#add(instance);
    const gateways = instances.filter(({ role }) => role === "gateways");
    this.#options.broker?.gatewaysAt(gateways.map(({ name }) => this.urlOf(name)));
    // Sidecars make Dapr's tables if they are missing, and of two that do so at once one ends: so one goes first.
    const first = instances.find(({ sidecar }) => sidecar);
    if (first !== undefined) await this.process(sidecarOf(first)).start();
    await Promise.all(instances.map((instance) => this.#startInstance(instance)));
    await this.ready();
  }

  process(name: string): Supervised {
    const found = this.processes.get(name);
    if (found === undefined) throw new UnknownProcess(name, this.processes.keys());
    return found;
  }

  urlOf(name: string): string {
    const found = this.#instances.get(name);
    if (found === undefined) throw new UnknownProcess(name, this.#instances.keys());
    return `http://127.0.0.1:${found.ports.http}`;
  }

  status(): ProcessStatus[] {
    return [...this.processes.values()].map((each) => each.status());
  }

  async scale(role: Role, count: number): Promise<void> {
    const there = [...this.#instances.values()].filter(({ instance }) => instance.role === role);
    const surplus = there.filter(({ instance }) => instance.number > count);
    for (const { instance } of surplus.reverse()) await this.#remove(instance);
    for (let number = there.length + 1; number <= count; number += 1) {
      const instance = instanceOf(role, number);
      await this.#add(instance);
      await this.#startInstance(instance);
    }
    if (count > there.length) await this.ready();
  }

  async ready(limitMs = readyLimitMs): Promise<void> {
    const lastMs = Date.now() + limitMs;
    for (;;) {
      const waiting = await this.#notReady();
      if (waiting.length === 0) return;
      if (Date.now() > lastMs)
        throw new NativeProcessFailed(
          `${waiting.join(", ")} did not become ready within ${limitMs / 1000} s. Their logs: ${this.#options.folder}/logs`,
        );
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #notReady(): Promise<string[]> {
    const running = [...this.#instances.values()].filter(
      ({ instance }) => this.process(instance.name).status().state === "running",
    );
    const answers = await Promise.all(
      running.map(async ({ instance, ports }) => ((await isReady(ports).catch(() => false)) ? [] : [instance.name])),
    );
    return answers.flat();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Who takes from devices first, so that what was taken is still carried out; then who keeps it. */
  async #stop(): Promise<void> {
    const order: Role[] = ["gateways", "apis", "actors", "sinks"];
    for (const role of order) {
      const instances = [...this.#instances.values()].filter(({ instance }) => instance.role === role);
      await Promise.all(instances.map(({ instance }) => this.#stopInstance(instance)));
    }
    await this.#closePresence().catch(() => {});
    const services = [...this.processes.values()].filter(({ name }) => !this.#isInstance(name));
    await Promise.all(services.map((service) => service.stop()));
    this.#release();
  }

  #isInstance(name: string): boolean {
    return this.#instances.has(name.replace(/-daprd$/, ""));
  }

  async #startServices(): Promise<void> {
    const ports = {
      mqtt: await this.#port(brokerPorts.mqtt, "MQTT"),
      ws: await this.#port(brokerPorts.ws, "MQTT over WebSocket"),
      ingress: await this.#port(brokerPorts.ingress, "the broker's listener for our own processes"),
    };
    const { folder, brokers = 1, durable = true, env = {}, command = nodeCommand } = this.#options;
    this.#say("PostgreSQL, Kafka, Redis, mosquitto, Dapr's placement and scheduler …");
    await daprBinaries(this.#say); // before the rest: it takes all there is of the machine
    const services = nativeServices({ folder, ports, brokers, durable, say: this.#say, broker: this.#options.broker });
    for (const { name, start } of services.all) this.#supervise(name, start);
    await Promise.all(services.all.map(({ name }) => this.process(name).start()));
    this.#closePresence = await services.startPresence();
    this.#mqttUrl = services.broker().deviceUrl;
    this.#wsUrl = services.broker().wsUrl;
    this.#places = () => ({
      databaseUrl: services.postgres().url,
      kafkaBrokers: services.kafka().brokers,
      redisUrl: services.redis().url,
      mqttUrl: services.broker().ingressUrl,
      mqttUsername: services.broker().username,
      mqttPassword: services.broker().password,
      archive: join(folder, "archive"),
      ...(this.#options.broker === undefined ? { ingressSessionSeconds, ingressAwsPrefix } : emqxIngress),
    });
    this.#context = {
      folder,
      env,
      command,
      places: this.#places,
      placement: services.placement,
      scheduler: services.scheduler,
    };
  }

  async #makeTopics(): Promise<void> {
    const { folder, brokers = 1, env = {} } = this.#options;
    const command = this.#options.topics ?? { program: process.execPath, args: [topicsProgram] };
    const outcome = await runToEnd(command, {
      ...process.env,
      KAFKA_BROKERS: this.places.kafkaBrokers.join(","),
      DOPPEL_KAFKA_REPLICATION: String(brokers),
      ...env,
    });
    appendFileSync(logOf(folder, "topics"), outcome.output, { mode: 0o600 });
    if (outcome.code !== 0) throw new NativeProcessFailed(`The topics could not be made:\n${outcome.output.trim()}`);
  }

  async #add(instance: Instance): Promise<void> {
    const ports = {
      http: await this.#port(instance.httpPort, `${instance.name}'s HTTP`),
      daprHttp: await this.#port(firstSidecarPorts.http + offset(instance), null),
      daprGrpc: await this.#port(firstSidecarPorts.grpc + offset(instance), null),
      daprMetrics: await freePort(),
    };
    this.#instances.set(instance.name, { instance, ports });
    const context = this.#context!;
    this.#supervise(instance.name, () => startRole(instance, ports, context));
    if (instance.sidecar) this.#supervise(sidecarOf(instance), () => startSidecar(instance, ports, context));
  }

  /** A host that has lost its sidecar, or the other way round, is waited for by the other. */
  async #startInstance(instance: Instance): Promise<void> {
    const names = instance.sidecar ? [sidecarOf(instance), instance.name] : [instance.name];
    await Promise.all(names.map((name) => this.process(name).start()));
  }

  /** The application first, while its sidecar can still say goodbye for its actors. */
  async #stopInstance(instance: Instance): Promise<void> {
    await this.processes.get(instance.name)?.stop();
    await this.processes.get(sidecarOf(instance))?.stop();
  }

  async #remove(instance: Instance): Promise<void> {
    await this.#stopInstance(instance);
    for (const name of [instance.name, sidecarOf(instance)]) this.processes.delete(name);
    this.#instances.delete(instance.name);
    this.#changed();
  }

  #changed(): void {
    this.#options.onChange?.(this.status());
  }

  #supervise(name: string, start: () => ReturnType<typeof startRole>): void {
    const supervised = new Supervised({
      name,
      start,
      say: (line) => this.#stopping ?? this.#say(line),
      onChange: () => this.#changed(),
    });
    this.processes.set(name, supervised);
  }

  /** The wanted one if it is free; `what` is null where nobody needs to hear of another. */
  async #port(wanted: number, what: string | null): Promise<number> {
    if (this.#options.ports === "free") return freePort();
    if (!this.#taken.has(wanted) && !(await portAnswers(wanted))) {
      this.#taken.add(wanted);
      return wanted;
    }
    const port = await freePort();
    if (what !== null) this.#say(`Port ${wanted} is taken: ${what} is on ${port}.`);
    return port;
  }
}

/** Below the range (32768…) from which outgoing connections take theirs; Dapr's own default for gRPC is in it. */
const firstSidecarPorts = { http: 3500, grpc: 5000 };

/** Sidecars beside each other on one machine: each role has a range of ports. */
function offset({ role, number }: Instance): number {
  return { gateways: 100, actors: 200, sinks: 300, apis: 400 }[role] + number;
}

function given({ gateways, actors, sinks, apis }: NativeOptions): Partial<Counts> {
  const entries = Object.entries({ gateways, actors, sinks, apis });
  return Object.fromEntries(entries.filter(([, count]) => count !== undefined));
}

function runToEnd(command: Command, env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command.program, command.args, { cwd: repository, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        output += chunk;
      });
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code) => resolve({ code, output }));
  });
}
