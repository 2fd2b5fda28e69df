/** A process of a role, and its sidecar, as supervised processes on loopback. */
import { fileURLToPath } from "node:url";
import { appIdOf, environmentOf, type Instance, type Places, programOf, sidecarOf } from "../topology.ts";
import { startDaprd } from "./dapr.ts";
import { startProcess } from "./process.ts";
import type { Handle } from "./supervisor.ts";

export type InstancePorts = {
  readonly http: number;
  readonly daprHttp: number;
  readonly daprGrpc: number;
  readonly daprMetrics: number;
};

/** What runs as an instance: a program and its arguments. */
export type Command = { readonly program: string; readonly args: readonly string[] };

export type RoleContext = {
  readonly folder: string;
  readonly places: () => Places;
  readonly placement: () => { readonly address: string };
  readonly scheduler: () => { readonly address: string };
  /** Goes over what the topology says, for every role. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly command: (instance: Instance) => Command;
};

const repository = fileURLToPath(new URL("../..", import.meta.url));
const host = "127.0.0.1";

export function nodeCommand(instance: Instance): Command {
  return { program: process.execPath, args: [programOf(instance.role)] };
}

/** Ready when it lives: one that waits for a service that is away is not started over and over. */
export function startRole(instance: Instance, ports: InstancePorts, context: RoleContext): Promise<Handle> {
  const { program, args } = context.command(instance);
  return startProcess({
    name: instance.name,
    command: program,
    args,
    cwd: repository,
    env: { DOPPEL_LOG_FORMAT: "json", ...ownEnvironment(instance, ports, context), ...context.env },
    logFile: logOf(context.folder, instance.name),
    ready: () => answers(`http://${host}:${ports.http}/healthz`),
  });
}

export function startSidecar(instance: Instance, ports: InstancePorts, context: RoleContext): Promise<Handle> {
  const name = sidecarOf(instance);
  return startDaprd({
    name,
    appId: appIdOf(instance),
    folder: `${context.folder}/logs`,
    placement: context.placement(),
    scheduler: context.scheduler(),
    env: { DATABASE_URL: context.places().databaseUrl },
    ports: { http: ports.daprHttp, grpc: ports.daprGrpc, metrics: ports.daprMetrics },
  });
}

function ownEnvironment(instance: Instance, ports: InstancePorts, context: RoleContext): Record<string, string> {
  return environmentOf(instance, context.places(), {
    host,
    httpPort: ports.http,
    daprHttpPort: ports.daprHttp,
    daprGrpcPort: ports.daprGrpc,
  });
}

export function logOf(folder: string, name: string): string {
  return `${folder}/logs/${name}.log`;
}

/** Whether the role can do its work now, as it says itself. */
export function isReady(ports: InstancePorts): Promise<boolean> {
  return answers(`http://${host}:${ports.http}/readyz`);
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.ok;
}
