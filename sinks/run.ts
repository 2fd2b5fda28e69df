/** The sinks role: Kafka's records into the tables of PostgreSQL. Wires, and decides nothing. */
import packageJson from "../package.json" with { type: "json" };
import { openRoleServer } from "../ports/http-health/server.ts";
import { startHeartbeat } from "../ports/membership/heartbeat.ts";
import type { Member } from "../ports/membership/port.ts";
import { openPostgresMembership } from "../ports/membership/postgres.ts";
import { openMetrics } from "../ports/metrics/prometheus.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { meterQuality } from "../ports/quality-stats/meter.ts";
import { openRecordReader } from "../ports/record-codec/codec.ts";
import { kafkaTrouble } from "../ports/record-log/kafka-client.ts";
import { openKafkaSource } from "../ports/record-log/kafka-source.ts";
import { openPostgresSinkDeadLetters } from "../ports/sink-dead-letters/postgres.ts";
import { memberId, roleSchemas } from "../role-parts.ts";
import { openClosers, type RoleOptions, type RunningRole } from "../role-process.ts";
import { kafkaOf } from "../role-security.ts";
import { openSinks } from "./distributed.ts";
import { circuitsOf } from "./health.ts";
import { watchLag } from "./lag.ts";
import { meterSinks } from "./meter.ts";
import { sinksSettingsOf } from "./settings.ts";

const lagMs = 2_000;

/** Comes up without the database too, and waits for it: /readyz says so. */
export async function runSinks({ config, logger }: RoleOptions<"sinks">): Promise<RunningRole> {
  const closers = openClosers(logger);
  const startedAtMs = Date.now();
  const id = memberId(config.name, startedAtMs);
  try {
    const pool = openPool(config.databaseUrl, {
      max: 1,
      name: id,
      onIdleError: (error) => logger.warn({ error: error.message }, "database connection lost"),
    });
    closers.add(() => pool.end());
    const source = openKafkaSource({
      ...kafkaOf(config),
      clientId: id,
      codec: openRecordReader(roleSchemas(config, pool)),
      maxRecords: config.sinkBatchRecords,
      lingerMs: config.sinkLingerMs,
      logger,
      onTrouble: (error) => logger.warn({ error: kafkaTrouble(error) }, "Kafka does not give records"),
    });
    closers.add(() => source.close());
    const sinks = openSinks({
      databaseUrl: config.databaseUrl,
      databaseConnections: config.databaseConnections,
      ...sinksSettingsOf(config, config.archive === "off" ? null : config.archive),
      source,
      onTrouble: (message) => logger.warn(message),
    });
    closers.add(() => sinks.close());
    const lag = watchLag(sinks, lagMs, (error) => logger.warn({ error: error.message }, "the lag could not be read"));
    closers.add(() => lag.stop());

    const metrics = openMetrics();
    const deadLetters = openedOnce(() => openPostgresSinkDeadLetters(pool));
    meterSinks(metrics, {
      lag: lag.newest,
      breakers: sinks.breakers,
      deadLetters: async () => (await deadLetters()).counts(),
    });
    metrics.labelledGauge("doppel_sink_records", "Records that a sink has committed since the start", "sink", () => ({
      ...sinks.records(),
    }));
    meterQuality(metrics, sinks.quality);

    const member = (): Member => {
      const lags = Object.entries(lag.newest()).map(([sink, records]) => [lagOf(sink), records] as const);
      return {
        ...{ id, startedAtMs, role: "sinks", name: config.name, version: packageJson.version },
        address: config.advertisedUrl,
        status: {
          ...{ ready: sinks.ready(), ...sinks.records(), ...Object.fromEntries(lags) },
          ...circuitsOf(sinks.breakers()),
        },
      };
    };
    const membership = openedOnce(() => openPostgresMembership(pool));
    const heartbeat = await startHeartbeat({
      membership: {
        beat: async (beaten) => (await membership()).beat(beaten),
        leave: async (left) => (await membership()).leave(left),
        members: async () => (await membership()).members(),
      },
      member,
      onTrouble: (error) => logger.warn({ error: error.message }, "the membership could not be told"),
    });
    closers.add(() => heartbeat.stop());

    const server = await openRoleServer({
      host: config.host,
      port: config.httpPort,
      ready: sinks.ready,
      metrics: metrics.registry,
      probes: sinks.probes,
    });
    closers.add(() => server.close());
    return { port: server.port, closed: sinks.closed, close: closers.closeAll };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

/** "lagFleet": what the member tells of its sinks' lag. */
function lagOf(sink: string): string {
  return `lag${sink[0]!.toUpperCase()}${sink.slice(1)}`;
}

/** What stands on the database: opened by whoever asks first and finds it there. */
function openedOnce<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | null = null;
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
}
