/** What the processes of every role have in common: a name for this start, a pool of the database, a way to the devices. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import type { Logger } from "pino";
import { openMqttDownlink } from "./ports/downlink/mqtt.ts";
import { openPool } from "./ports/postgres/pool.ts";

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
  config: {
    readonly mqttUrl: string;
    readonly mqttUsername: string;
    readonly mqttPassword: string;
    readonly downlinkConnections: number;
  },
  id: string,
  logger: Logger,
): ReturnType<typeof openMqttDownlink> {
  return openMqttDownlink({
    url: config.mqttUrl,
    username: config.mqttUsername,
    password: config.mqttPassword,
    connections: config.downlinkConnections,
    clientIdPrefix: `doppel-${id}`,
    log: logger,
  });
}
