/**
 * What the processes of every role have in common: a name for this start, a pool of the database, a way to the devices,
 * the schemas of the log.
 */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import type { Logger } from "pino";
import { openMqttDownlink } from "./ports/downlink/mqtt.ts";
import { openPool } from "./ports/postgres/pool.ts";
import { openConfluentSchemaRegistry } from "./ports/schema-registry/confluent.ts";
import type { SchemaRegistry } from "./ports/schema-registry/port.ts";
import { openPostgresSchemaRegistry, postgresSchemaRegistry } from "./ports/schema-registry/postgres.ts";
import { brokerOf, registryOf } from "./role-security.ts";

/** Names one start of a process, as its member id and as the caller of turns: never used again. */
export function memberId(name: string, startedAtMs: number): string {
  return `${name}-${startedAtMs.toString(36)}${randomBytes(3).toString("hex")}`;
}

/** The caller ends it. */
export function openRolePool(
  config: { readonly databaseUrl: string; readonly databaseConnections: number },
  id: string,
  logger: Logger,
): pg.Pool {
  return openPool(config.databaseUrl, {
    max: config.databaseConnections,
    name: id,
    onIdleError: (error) => logger.warn({ error: error.message }, "database connection lost"),
  });
}

/** The caller closes it. */
export function openRoleDownlink(
  config: Parameters<typeof brokerOf>[0] & { readonly downlinkConnections: number },
  id: string,
  logger: Logger,
): ReturnType<typeof openMqttDownlink> {
  return openMqttDownlink({
    ...brokerOf(config),
    connections: config.downlinkConnections,
    clientIdPrefix: `doppel-${id}`,
    log: logger,
  });
}

/** The registry that was named, else the tables of the database. For those who write: their schemas are registered in it. */
export async function openRoleSchemas(config: RegistryConfig, pool: pg.Pool): Promise<SchemaRegistry> {
  return config.schemaRegistryUrl === ""
    ? openPostgresSchemaRegistry(pool)
    : openConfluentSchemaRegistry(registryOf(config));
}

type RegistryConfig = Parameters<typeof registryOf>[0];

/** The same for those who only read: asks nothing before the first record comes. */
export function roleSchemas(config: RegistryConfig, pool: pg.Pool): Pick<SchemaRegistry, "schema"> {
  return config.schemaRegistryUrl === ""
    ? postgresSchemaRegistry(pool)
    : openConfluentSchemaRegistry(registryOf(config));
}
