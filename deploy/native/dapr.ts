/**
 * Dapr on one machine without containers: placement (who hosts which actor), scheduler (reminders), and a sidecar beside
 * each process. Everything listens on 127.0.0.1. Who starts them also says where their folder is and ends them.
 *
 * D1: `restart` ends a server with SIGKILL, if it still runs, and starts it as it was: the others find it where it was.
 * D2: only the internal port of a sidecar changes then: with the old one its actors would stall for 6 s.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { daprBinaries } from "./dapr-build.ts";
import { freePort, type NativeProcess, startProcess } from "./process.ts";

export type ServerOptions = {
  /** Its log goes to `<name>.log` in here, and its data to a folder of its name. */
  folder: string;
  /** Of several in one folder; "placement", "scheduler". */
  name?: string;
  /** "warn" */
  logLevel?: "debug" | "info" | "warn" | "error";
  /** Hears of a build that takes long. */
  say?: (line: string) => void;
};

/** Placement or scheduler. */
export type DaprService = NativeProcess & {
  /** host:port for the sidecars. */
  address: string;
  healthPort: number;
  metricsPort: number;
  /** D1 */
  restart(): Promise<DaprService>;
};

export type DaprdOptions = ServerOptions & {
  /** The same for all replicas of an application. */
  appId: string;
  placement: { address: string };
  scheduler: { address: string };
  /** components/ of this repository */
  componentsFolder?: string;
  /** dapr/config.yaml */
  configFile?: string;
  /** What the components refer to: DATABASE_URL. Goes over our own environment. */
  env?: Readonly<Record<string, string | undefined>>;
  /**
   * Of an application that is called over HTTP, which must answer GET /healthz. Without one, as for an application that
   * opens the actor stream: null.
   */
  appPort?: number | null;
  ports?: Partial<DaprdPorts>;
};

/** What the application speaks to, and so must know before its sidecar starts. */
export type DaprdPorts = { http: number; grpc: number; metrics: number };

export type Daprd = NativeProcess & {
  /** Of the HTTP API, without a slash at the end. */
  url: string;
  httpPort: number;
  grpcPort: number;
  metricsPort: number;
  internalPort: number;
  /** D1, D2 */
  restart(): Promise<Daprd>;
};

const HOST = "127.0.0.1";
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** One placement service, whose table is in its memory: after a restart the sidecars register anew. */
export async function startPlacement(options: ServerOptions): Promise<DaprService> {
  const { name = "placement", say } = options;
  const { placement } = await daprBinaries(say);
  const raftPort = await freePort();
  return startService({ ...options, name }, placement, () => [
    ...["--id", name, "--initial-cluster", `${name}=${HOST}:${raftPort}`, "--metadata-enabled"],
  ]);
}

/** One scheduler, with its own etcd in `folder`: reminders outlive a restart there. */
export async function startScheduler(options: ServerOptions): Promise<DaprService> {
  const { folder, name = "scheduler", say } = options;
  const { scheduler } = await daprBinaries(say);
  const [peerPort, clientPort] = [await freePort(), await freePort()];
  const data = join(folder, name);
  return startService({ ...options, name }, scheduler, (address) => [
    ...["--override-broadcast-host-port", address], // otherwise sidecars are told one of the machine's network
    ...["--id", name, "--etcd-initial-cluster", `${name}=http://${HOST}:${peerPort}`],
    ...["--etcd-client-port", `${clientPort}`, "--etcd-client-listen-address", HOST],
    ...["--etcd-data-dir", join(data, "etcd"), "--identity-directory-write", join(data, "identity")],
  ]);
}

async function startService(
  { folder, name, logLevel = "warn" }: ServerOptions & { name: string },
  command: string,
  own: (address: string) => readonly string[],
): Promise<DaprService> {
  const [port, healthPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const address = `${HOST}:${port}`;
  const args = [
    ...own(address),
    ...["--port", `${port}`, "--listen-address", HOST, "--metrics-port", `${metricsPort}`],
    ...["--healthz-port", `${healthPort}`, "--healthz-listen-address", HOST, "--log-level", logLevel],
  ];
  const ready = () => answers(`http://${HOST}:${healthPort}/healthz`);
  return restartable(async () => ({
    ...(await startProcess({ name, command, args, logFile: join(folder, `${name}.log`), ready })),
    address,
    healthPort,
    metricsPort,
  }));
}

/**
 * A sidecar, ready for calls of its application. That a placement has its actors is another matter: see its metadata.
 * Stop it after its application: while that holds the actor stream open, a sidecar with actors waits, until it is killed.
 */
export async function startDaprd(options: DaprdOptions): Promise<Daprd> {
  const { appId, folder, logLevel = "warn", say, ports = {} } = options;
  const { daprd: command } = await daprBinaries(say);
  const http = ports.http ?? (await freePort());
  const grpc = ports.grpc ?? (await freePort());
  const metrics = ports.metrics ?? (await freePort());
  const name = options.name ?? `daprd-${appId}-${http}`;
  const args = [
    ...["--app-id", appId, "--dapr-http-port", `${http}`, "--dapr-grpc-port", `${grpc}`],
    ...["--metrics-port", `${metrics}`, "--dapr-listen-addresses", HOST],
    ...["--dapr-internal-grpc-listen-address", HOST, "--metrics-listen-address", HOST],
    ...["--placement-host-address", options.placement.address],
    ...["--scheduler-host-address", options.scheduler.address],
    ...["--resources-path", options.componentsFolder ?? join(REPOSITORY, "components")],
    ...["--config", options.configFile ?? join(REPOSITORY, "dapr", "config.yaml")],
    ...["--dapr-graceful-shutdown-seconds", "5", "--log-level", logLevel],
    ...applicationArgs(options.appPort ?? null),
  ];
  const url = `http://${HOST}:${http}`;
  return restartable(async () => {
    const internalPort = await freePort(); // D2
    const process = await startProcess({
      name,
      command,
      args: [...args, "--dapr-internal-grpc-port", `${internalPort}`],
      env: { ...options.env, DAPR_HOST_IP: HOST },
      logFile: join(folder, `${name}.log`),
      ready: () => answers(`${url}/v1.0/healthz/outbound`), // the other health also awaits the application
    });
    return { ...process, url, httpPort: http, grpcPort: grpc, metricsPort: metrics, internalPort };
  });
}

/** Dapr notices an application that died only when told to look. */
function applicationArgs(port: number | null): string[] {
  if (port === null) return [];
  return [
    ...["--app-port", `${port}`, "--app-protocol", "http", "--app-channel-address", HOST],
    ...["--enable-app-health-check", "--app-health-check-path", "/healthz"],
    ...["--app-health-probe-interval", "1", "--app-health-threshold", "1"],
  ];
}

/** D1 */
async function restartable<Server extends NativeProcess>(
  start: () => Promise<Server>,
): Promise<Server & Again<Server>> {
  const server = await start();
  return {
    ...server,
    restart: async () => {
      await server.kill();
      return restartable(start);
    },
  };
}

type Again<Server> = { restart(): Promise<Server & Again<Server>> };

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.ok;
}
