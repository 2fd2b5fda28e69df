/** The sinks role: Kafka's records into the tables of PostgreSQL. Wires, and decides nothing. */
import packageJson from "../package.json" with { type: "json" };
import { openRoleServer } from "../ports/http-health/server.ts";
import { startHeartbeat } from "../ports/membership/heartbeat.ts";
import type { Member, Membership } from "../ports/membership/port.ts";
import { openPostgresMembership } from "../ports/membership/postgres.ts";
import { openMetrics } from "../ports/metrics/prometheus.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { meterQuality } from "../ports/quality-stats/meter.ts";
import { openRecordReader } from "../ports/record-codec/codec.ts";
import { openKafkaSource } from "../ports/record-log/kafka-source.ts";
import { memberId, roleSchemas } from "../role-parts.ts";
import { openClosers, type RoleOptions, type RunningRole } from "../role-process.ts";
import { openSinks } from "./distributed.ts";
import { watchLag } from "./lag.ts";
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
      brokers: config.kafkaBrokers,
      clientId: id,
      codec: openRecordReader(roleSchemas(config, pool)),
      logger,
      onTrouble: (error) => logger.warn({ error: error.message }, "Kafka does not give records"),
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
    metrics.labelledGauge("doppel_sink_lag_records", "Records of the log that a sink has not taken in", "sink", () => ({
      ...lag.newest(),
    }));
    metrics.labelledGauge("doppel_sink_records", "Records that a sink has committed since the start", "sink", () => ({
      ...sinks.records(),
    }));
    meterQuality(metrics, sinks.quality);

    const member = (): Member => {
      const lags = Object.entries(lag.newest()).map(([sink, records]) => [lagOf(sink), records] as const);
      return {
        ...{ id, startedAtMs, role: "sinks", name: config.name, version: packageJson.version },
        address: config.advertisedUrl,
        status: { ready: sinks.ready(), ...sinks.records(), ...Object.fromEntries(lags) },
      };
    };
    const heartbeat = await startHeartbeat({
      membership: openedWhenThere(() => openPostgresMembership(pool)),
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

/** The membership, opened by the first beat that finds the database. */
function openedWhenThere(open: () => Promise<Membership>): Membership {
  let opened: Promise<Membership> | null = null;
  const there = () => {
    opened ??= open().catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  return {
    beat: async (member) => (await there()).beat(member),
    leave: async (id) => (await there()).leave(id),
    members: async () => (await there()).members(),
  };
}
