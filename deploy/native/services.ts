/**
 * The services under the roles, each as one supervised process: PostgreSQL, Kafka, Redis, mosquitto (with what gives it
 * EMQX's presence), Dapr's placement and scheduler. All on loopback, with their data below one folder.
 */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, startCluster } from "../../ports/postgres/cluster.ts";
import { postgresProcessesIn, signalAll } from "../../ports/postgres/processes.ts";
import { type DaprService, startPlacement, startScheduler } from "./dapr.ts";
import { type NativeKafka, startKafka } from "./kafka.ts";
import { type NativeMosquitto, startMosquitto } from "./mosquitto.ts";
import { SHARED_AWS_PREFIX } from "./mosquitto-config.ts";
import { startMosquittoPresence } from "./mosquitto-presence.ts";
import type { NativeProcess } from "./process.ts";
import { type NativeRedis, startRedis } from "./redis.ts";
import type { Handle } from "./supervisor.ts";

export type ServicePorts = { readonly mqtt: number; readonly ws: number; readonly ingress: number };

export type ServiceOptions = {
  readonly folder: string;
  readonly ports: ServicePorts;
  readonly brokers: 1 | 3;
  /** false: PostgreSQL does not wait for the disk. For tests. */
  readonly durable: boolean;
  readonly say: (line: string) => void;
  /** Instead of mosquitto. */
  readonly broker?: OutsideBroker | undefined;
};

/** An EMQX that somebody else runs, with deploy/emqx/emqx.conf. */
export type OutsideBroker = Pick<NativeMosquitto, "deviceUrl" | "wsUrl" | "ingressUrl" | "username" | "password"> & {
  /** Hears where the gateways will answer who may connect, before they start: they are the first to be asked about. */
  readonly gatewaysAt: (urls: readonly string[]) => void;
};

/** How a service is started, the first time and again: on the same data and the same ports. */
export type Service = { readonly name: string; readonly start: () => Promise<Handle> };

/** What others must know of the services; readable when they have been started. */
export type Services = {
  readonly all: readonly Service[];
  readonly postgres: () => Cluster;
  readonly kafka: () => NativeKafka;
  readonly redis: () => NativeRedis;
  readonly broker: () => Pick<NativeMosquitto, "deviceUrl" | "wsUrl" | "ingressUrl" | "username" | "password">;
  readonly placement: () => DaprService;
  readonly scheduler: () => DaprService;
  /** To be called when the broker runs. The closer takes no more events. */
  readonly startPresence: () => Promise<() => Promise<void>>;
};

/** Enough for each of the roles' pools, and the sidecars'. */
const postgresSettings = { max_connections: "300" };

export function nativeServices({ folder, ports, brokers, durable, say, broker: outside }: ServiceOptions): Services {
  const postgres = remembered(() =>
    startCluster(join(folder, "postgres"), { say, durable, settings: postgresSettings }),
  );
  const kafka = remembered(() => startKafka({ folder: join(folder, "kafka"), brokers, say }));
  const redis = remembered(() => startRedis({ folder: join(folder, "redis") }));
  const broker = remembered(() =>
    startMosquitto({
      folder: join(folder, "mosquitto"),
      devicePort: ports.mqtt,
      wsPort: ports.ws,
      ingressPort: ports.ingress,
    }),
  );
  const mosquitto = {
    name: "mosquitto",
    start: async () => restarted(await broker.first(), (server) => server.process),
  };
  const dapr = { folder: join(folder, "dapr"), say };
  const placement = remembered(() => startPlacement(dapr));
  const scheduler = remembered(() => startScheduler(dapr));
  return {
    all: [
      { name: "postgres", start: async () => clusterHandle(await postgres.again(), join(folder, "postgres", "data")) },
      ...Array.from({ length: brokers }, (_, index) => kafkaNode(kafka, index, brokers)),
      { name: "redis", start: async () => restarted(await redis.first(), (server) => server.process) },
      ...(outside === undefined ? [mosquitto] : []),
      { name: "placement", start: async () => placement.replaced((old) => old.restart()) },
      { name: "scheduler", start: async () => scheduler.replaced((old) => old.restart()) },
    ],
    postgres: postgres.value,
    kafka: kafka.value,
    redis: redis.value,
    broker: () => outside ?? broker.value(),
    placement: placement.value,
    scheduler: scheduler.value,
    startPresence: async () => {
      if (outside !== undefined) return async () => {};
      const { ingressUrl: url, username, password } = broker.value();
      const presence = await startMosquittoPresence({ url, username, password, now: Date.now, say });
      return () => presence.stop();
    },
  };
}

/** Where shared subscriptions find `$aws/`, as DOPPEL_INGRESS_AWS_PREFIX. */
export const ingressAwsPrefix = SHARED_AWS_PREFIX;

/** mosquitto gives what a dead gateway held only to the same client again: long enough for its restart. */
export const ingressSessionSeconds = 600;

/** EMQX gives to other gateways what a dead one held, and shares `$aws/` as any topic. */
export const emqxIngress = { ingressSessionSeconds: 0, ingressAwsPrefix: "$aws/" } as const;

type Remembered<T> = {
  /** Started the first time; later what there is. */
  first(): Promise<{ readonly value: T; readonly isNew: boolean }>;
  again(): Promise<T>;
  /** Started the first time; later what `by` makes of the old one. */
  replaced(by: (old: T) => Promise<T>): Promise<T>;
  value(): T;
};

/** Something that is started once and then lives on in what its own restart makes of it. */
function remembered<T>(start: () => Promise<T>): Remembered<T> {
  let held: Promise<T> | null = null;
  let current: T | null = null;
  const set = async (starting: Promise<T>) => {
    const value = await starting;
    current = value;
    return value;
  };
  return {
    first: async () => {
      const isNew = held === null;
      held ??= start();
      try {
        return { value: await set(held), isNew };
      } catch (error) {
        held = null;
        throw error;
      }
    },
    again: () => set(start()),
    replaced: (by) => set(current === null ? start() : by(current)),
    value: () => {
      if (current === null) throw new Error("A service was asked for before it was started.");
      return current;
    },
  };
}

/** Three brokers find each other only when all are started: the first to be asked starts them all. */
function kafkaNode(kafka: Remembered<NativeKafka>, index: number, count: number): Service {
  let started = false;
  return {
    name: count === 1 ? "kafka" : `kafka-${index + 1}`,
    start: async () => {
      const { value } = await kafka.first();
      if (started) await value.restart(index);
      started = true;
      return value.nodes[index]!;
    },
  };
}

async function restarted<T extends { restart(): Promise<void> }>(
  { value, isNew }: { readonly value: T; readonly isNew: boolean },
  processOf: (value: T) => NativeProcess,
): Promise<Handle> {
  if (!isNew) await value.restart();
  return processOf(value);
}

/** PostgreSQL is many processes: what is done to it is done to all of them. */
function clusterHandle(cluster: Cluster, dataFolder: string): Handle {
  const data = realpathSync(dataFolder);
  const all = () => postgresProcessesIn(data, cluster.pid);
  const exited = cluster.exited.then(() => ({ code: null, signal: null }));
  return {
    pid: cluster.pid,
    exited,
    stop: async () => {
      signalAll(all(), "SIGCONT");
      await cluster.stop();
    },
    kill: async () => {
      signalAll(all(), "SIGKILL");
      await exited;
    },
    pause: () => signalAll(all(), "SIGSTOP"),
    resume: () => signalAll(all(), "SIGCONT"),
  };
}
