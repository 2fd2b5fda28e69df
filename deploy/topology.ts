/**
 * What the distributed mode consists of: how many processes of each role, their names and ports, which have a sidecar,
 * and with which variables they start. The native scripts start this; docker-compose.yml is held to it by a test.
 */
import { type Role, roleHttpPorts, roles, roleVariables } from "../role-config.ts";

export type Counts = Readonly<Record<Role, number>>;

export const defaultCounts: Counts = { gateways: 2, actors: 3, sinks: 1, apis: 1 };

/** A process of a role. */
export type Instance = {
  /** "actors-2"; its sidecar is "actors-2-daprd". */
  readonly name: string;
  readonly role: Role;
  readonly number: number;
  /** Where it listens when nobody else does. */
  readonly httpPort: number;
  readonly sidecar: boolean;
};

/** Of a sidecar when it has a machine, or a network namespace, to itself: Dapr's own defaults. */
export const sidecarPorts = { http: 3500, grpc: 50001 } as const;

/** Where devices connect, by what they speak; and where our own processes do. */
export const brokerPorts = { mqtt: 1883, ws: 8083, ingress: 1885 } as const;

const withSidecar: readonly Role[] = ["gateways", "actors", "apis"];

export function instancesOf(counts: Counts): Instance[] {
  return roles.flatMap((role) => Array.from({ length: counts[role] }, (_, index) => instanceOf(role, index + 1)));
}

/** @param number from 1 on */
export function instanceOf(role: Role, number: number): Instance {
  return {
    name: `${role}-${number}`,
    role,
    number,
    httpPort: roleHttpPorts[role] + number - 1,
    sidecar: withSidecar.includes(role),
  };
}

export function sidecarOf({ name }: Instance): string {
  return `${name}-daprd`;
}

/** What Dapr calls the application: the same for all processes of a role. */
export function appIdOf({ role }: Pick<Instance, "role">): string {
  return `doppel-${role}`;
}

/** Where the services are that the roles need. */
export type Places = {
  readonly databaseUrl: string;
  readonly kafkaBrokers: readonly string[];
  readonly redisUrl: string;
  readonly mqttUrl: string;
  readonly mqttUsername: string;
  readonly mqttPassword: string;
  /** 0: the broker hands on what a member that is gone had not acknowledged (EMQX). */
  readonly ingressSessionSeconds: number;
  /** Where shared subscriptions find what devices publish to $aws/ ("$aws/" with EMQX). */
  readonly ingressAwsPrefix: string;
  /** Of the Parquet files: a folder that the roles share, or s3://bucket/prefix. */
  readonly archive: string;
};

/** Where an instance is: its own port, and those of its sidecar. */
export type InstancePlace = {
  readonly host: string;
  readonly httpPort: number;
  readonly daprHttpPort: number;
  readonly daprGrpcPort: number;
};

/** The variables that the instance starts with: of all that are known, those that its role reads. */
export function environmentOf(instance: Instance, places: Places, at: InstancePlace): Record<string, string> {
  const known: Record<string, string> = {
    DOPPEL_NAME: instance.name,
    DOPPEL_HOST: at.host,
    DOPPEL_HTTP_PORT: String(at.httpPort),
    DATABASE_URL: places.databaseUrl,
    KAFKA_BROKERS: places.kafkaBrokers.join(","),
    REDIS_URL: places.redisUrl,
    MQTT_URL: places.mqttUrl,
    MQTT_USERNAME: places.mqttUsername,
    MQTT_PASSWORD: places.mqttPassword,
    DOPPEL_INGRESS_SESSION_SECONDS: String(places.ingressSessionSeconds),
    DOPPEL_INGRESS_AWS_PREFIX: places.ingressAwsPrefix,
    DOPPEL_ARCHIVE: places.archive,
    DAPR_HTTP_PORT: String(at.daprHttpPort),
    DAPR_GRPC_PORT: String(at.daprGrpcPort),
  };
  const read = new Set(roleVariables(instance.role).map(({ name }) => name));
  return Object.fromEntries(Object.entries(known).filter(([name]) => read.has(name)));
}

/** The program of a role, from the folder of the repository. */
export function programOf(role: Role): string {
  return `${role}/start.ts`;
}

/** The program that makes the log's topics, and ends. */
export const topicsProgram = "scripts/topics.ts";

/** The program that registers the log's schemas in a registry server, and ends. */
export const schemasProgram = "scripts/schemas.ts";
