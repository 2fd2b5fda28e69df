/**
 * Kafka on loopback without containers: one broker, or three that copy everything. The folder holds what it stores,
 * its ports and its logs; a later start on the same folder goes on with the same data.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Kafka, logLevel } from "kafkajs";
import { type KafkaInstallation, KafkaInstallFailed, kafkaInstallation, randomClusterId } from "./kafka-install.ts";
import { type KafkaNode, kafkaProperties, type SecureListener } from "./kafka-properties.ts";
import { freePort, type NativeProcess, portAnswers, startProcess } from "./process.ts";

export type NativeKafka = {
  /** "127.0.0.1:port" of each broker. */
  brokers: string[];
  /** The same with TLS and SASL; empty without `secure`. */
  secureBrokers: string[];
  /** By index as `brokers`; restart() puts the new process in the place of the old. */
  nodes: NativeProcess[];
  /** Starts the broker again on its data and port, after ending it if it still runs. */
  restart(index: number): Promise<void>;
  /** Ends all. Idempotent. */
  stop(): Promise<void>;
};

export type KafkaOptions = {
  /** Made when it is not there. Used by one cluster at a time. */
  folder: string;
  /** Fixed by the first start on the folder. 1. */
  brokers?: 1 | 3;
  /** From the first start on the folder on. */
  secure?: SecureListener;
  /** Hears, in words for a person, what takes long. */
  say?: (line: string) => void;
};

type Plan = { clusterId: string; nodes: KafkaNode[] };

const READY_MS = 90_000;
const STOP_MS = 15_000;

/**
 * Starts the brokers and waits until all of them serve.
 * @throws KafkaInstallFailed when Java or Maven is missing
 * @throws NativeProcessFailed when a broker does not start
 */
export async function startKafka({ folder, brokers = 1, secure, say }: KafkaOptions): Promise<NativeKafka> {
  const installation = await kafkaInstallation(say);
  const plan = await planned(folder, brokers, secure !== undefined);
  const start = (index: number) => startNode(folder, plan, index, installation, secure);
  const addresses = plan.nodes.map(({ port }) => `127.0.0.1:${port}`);
  const secureBrokers = plan.nodes.flatMap(({ securePort }) => (securePort ? [`127.0.0.1:${securePort}`] : []));
  const starts = await Promise.allSettled(plan.nodes.map((_, index) => start(index)));
  const nodes = starts.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop(STOP_MS))));
  try {
    for (const outcome of starts) if (outcome.status === "rejected") throw outcome.reason;
    await untilAllServe(addresses);
  } catch (error) {
    await stop();
    throw error;
  }
  const restart = async (index: number): Promise<void> => {
    const old = nodes[index];
    if (old === undefined) throw new RangeError(`There is no broker ${index}; there are ${nodes.length}.`);
    await old.stop(STOP_MS);
    nodes[index] = await start(index);
    await untilAllServe([addresses[index] as string], 1);
  };
  return { brokers: addresses, secureBrokers, nodes, restart, stop };
}

/** Ports are kept from start to start, unless somebody has taken one meanwhile: then all are new. */
async function planned(folder: string, count: number, secure: boolean): Promise<Plan> {
  const file = join(folder, "cluster.json");
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Plan) : null;
  if (known !== null && known.nodes.length !== count)
    throw new Error(
      `${folder} holds a Kafka of ${known.nodes.length} brokers, not ${count}. Take another folder or that number.`,
    );
  const ports = known?.nodes.flatMap((node) => [node.port, node.controllerPort]) ?? [];
  const taken = (await Promise.all(ports.map(portAnswers))).includes(true);
  if (known !== null && !taken) return known;
  const nodes: KafkaNode[] = [];
  for (let id = 1; id <= count; id++) {
    const ports = { port: await freePort(), controllerPort: await freePort() };
    nodes.push({ id, ...ports, ...(secure && { securePort: await freePort() }) });
  }
  const plan = { clusterId: known?.clusterId ?? randomClusterId(), nodes };
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify(plan));
  return plan;
}

async function startNode(
  folder: string,
  plan: Plan,
  index: number,
  { classPath, options }: KafkaInstallation,
  secure: SecureListener | undefined,
): Promise<NativeProcess> {
  const node = plan.nodes[index] as KafkaNode;
  const home = join(folder, `broker-${node.id}`);
  const data = join(home, "data");
  const properties = join(home, "server.properties");
  mkdirSync(home, { recursive: true });
  writeFileSync(properties, kafkaProperties(node, plan.nodes, data, secure), { mode: 0o600 });
  const java = (...args: string[]) => [...options, "-cp", classPath, ...args];
  if (!existsSync(join(data, "meta.properties")))
    await format(
      java("-Xmx64m", "kafka.tools.StorageTool", "format", "-t", plan.clusterId, "-c", properties, ...scramOf(secure)),
    );
  return startProcess({
    name: plan.nodes.length === 1 ? "Kafka" : `Kafka broker ${node.id}`,
    command: "java",
    args: ["-Xms128m", "-Xmx256m", ...java("kafka.Kafka", properties)],
    logFile: join(home, "kafka.log"),
    ready: () => portAnswers(node.port),
    readyMs: READY_MS,
  });
}

/** Users of SCRAM are in the cluster's own metadata, so they are made with it. */
function scramOf(secure: SecureListener | undefined): string[] {
  if (secure === undefined) return [];
  const user = `[name=${secure.username},password=${secure.password}]`;
  return ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => ["--add-scram", `${mechanism}=${user}`]);
}

async function format(args: string[]): Promise<void> {
  try {
    await promisify(execFile)("java", args);
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr ?? "";
    throw new KafkaInstallFailed(`Kafka could not format its folder:\n${said.trim()}`, { cause });
  }
}

/** A broker listens before it serves, and serves before it knows the others. */
async function untilAllServe(addresses: string[], count = addresses.length): Promise<void> {
  const lastMs = Date.now() + READY_MS;
  for (;;) {
    const admin = new Kafka({
      brokers: addresses,
      clientId: "doppel-start",
      logLevel: logLevel.NOTHING,
      connectionTimeout: 2_000,
      requestTimeout: 5_000,
      retry: { retries: 0 },
    }).admin();
    try {
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      if (brokers.length >= count) return;
    } catch (error) {
      if (Date.now() > lastMs) throw error;
    } finally {
      await admin.disconnect().catch(() => {});
    }
    if (Date.now() > lastMs) throw new Error(`Kafka's brokers do not find each other: ${addresses.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
