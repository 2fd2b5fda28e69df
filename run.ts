/**
 * The embedded system as a list: open the database, recover the twins, listen. `start-embedded.ts` reads the environment and
 * prints; tests call `run` with a configuration of their own.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { type EmbeddedHost, openEmbeddedHost } from "./actors/host/embedded.ts";
import { meterHost } from "./actors/host/meter.ts";
import type { TwinHost } from "./actors/host/port.ts";
import { clusterOfOne } from "./apis/cluster-of-one.ts";
import { openHistoryParts } from "./apis/history/open.ts";
import { meterFleet } from "./apis/meter.ts";
import { defaultApiConfig } from "./apis/parts.ts";
import { openApi } from "./apis/server.ts";
import type { Config } from "./config.ts";
import { policyWith } from "./core/device/policy.ts";
import { isLoopback } from "./core/loopback.ts";
import { isSamePrincipal } from "./gateways/mqtt/broker-port.ts";
import { openDeviceApplication } from "./gateways/mqtt/device-application.ts";
import { openListener } from "./gateways/mqtt/listener/listener.ts";
import { meterGateway, meterListener } from "./gateways/mqtt/meter.ts";
import { openPostgresCredentials } from "./ports/credentials/postgres.ts";
import { openPolicies, type Policies } from "./ports/device-types/policies.ts";
import { openPostgresDeviceTypes } from "./ports/device-types/postgres.ts";
import { openPostgresLog } from "./ports/event-log/postgres.ts";
import { openPostgresFleetIndex } from "./ports/fleet-index/postgres.ts";
import type { HealthProbe } from "./ports/http-health/routes.ts";
import { openMetrics } from "./ports/metrics/prometheus.ts";
import { storeSettingsOf } from "./ports/object-store/settings.ts";
import { type Cluster, startCluster } from "./ports/postgres/cluster.ts";
import { openPool } from "./ports/postgres/pool.ts";
import { meterQuality } from "./ports/quality-stats/meter.ts";
import { openPostgresRetainedStore } from "./ports/retained/postgres.ts";
import { openServerTls, type ServerTls } from "./ports/tls/server.ts";
import { openPostgresTwinStore } from "./ports/twin-store/postgres.ts";
import { circuitsOf, sinkProbes } from "./sinks/health.ts";
import { meterSinks } from "./sinks/meter.ts";
import { sinksSettingsOf } from "./sinks/settings.ts";
import { type SinkStats, type Sinks, startSinks } from "./sinks/thread.ts";

export type Running = {
  readonly mqttPort: number;
  readonly mqttWsPort: number;
  readonly httpPort: number;
  /** The same three over TLS; null without a certificate. */
  readonly tls: { readonly mqttsPort: number; readonly mqttWssPort: number; readonly httpsPort: number } | null;
  /** What the start brought back. */
  readonly recovery: EmbeddedHost["recovery"];
  /** Process id of the embedded PostgreSQL; null where DATABASE_URL names another. */
  readonly postgresPid: number | null;
  /** Rejects when something that cannot be done without has failed: the process must end then. */
  readonly closed: Promise<void>;
  /** Takes no more messages, commits and checkpoints what there is, and stops everything. Idempotent. */
  close(): Promise<void>;
};

export type RunOptions = {
  readonly config: Config;
  readonly logger: Logger;
  /** Told, in words for a person, what the start is doing. */
  readonly say: (line: string) => void;
};

export async function run({ config, logger, say }: RunOptions): Promise<Running> {
  const closers: (() => Promise<unknown>)[] = [];
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  let closing: Promise<void> | null = null;
  const close = () => {
    closing ??= closeAll(closers, logger);
    return closing;
  };
  /** A part that ended without being asked to takes the process with it. */
  const vital = (name: string, ended: Promise<unknown>) => {
    ended.then(
      (detail) => closing ?? failure.reject(new PartEnded(name, detail)),
      (error) => closing ?? failure.reject(new PartEnded(name, error)),
    );
  };

  try {
    const { plainHost, identity } = tlsOf(config, logger);
    if (identity !== null) closers.push(async () => identity.close());
    const cluster = config.databaseUrl === "" ? await openCluster(config, say) : null;
    if (cluster !== null) {
      closers.push(() => cluster.stop());
      vital("PostgreSQL", cluster.exited);
    }
    const url = cluster?.url ?? config.databaseUrl;
    const pool = openPool(url, {
      onIdleError: (error) => closing ?? logger.warn({ error: error.message }, "database connection lost"),
    });
    closers.push(() => pool.end());

    const log = await openPostgresLog(pool);
    closers.push(() => log.close());
    const store = await openPostgresTwinStore(pool);
    const fleet = await openPostgresFleetIndex(pool);
    const retained = await openPostgresRetainedStore(pool);
    const credentials = await openPostgresCredentials(pool);
    const deviceTypes = await openPostgresDeviceTypes(pool);

    const metrics = openMetrics();
    if (identity !== null)
      metrics.gauge("doppel_tls_certificate_expiry_seconds", "When our certificate ends, Unix time", () =>
        Math.round(identity.expiresAtMs() / 1000),
      );
    const base = policyWith({
      silenceMs: config.silenceSeconds * 1000,
      graceMs: config.graceSeconds * 1000,
      restartGraceMs: config.restartGraceSeconds * 1000,
    });
    const policies = await openPolicies(base, deviceTypes, (message) => logger.warn(message));
    const startedAtMs = Date.now();
    const nodeId = `${Date.now().toString(36)}-${randomBytes(4).toString("hex")}`;
    const { openRegistry, requireCredentials } = safety(config);
    const host = await openEmbeddedHost({
      log,
      store,
      now: Date.now,
      nodeId,
      policyOf: policies.of,
      rulesOf: policies.rulesOf,
      openRegistry,
      flushMs: config.flushMs,
      checkpointMs: config.checkpointSeconds * 1000,
      idleMs: config.idleTwinMinutes * 60_000,
      maxTwins: config.maxTwinsInMemory,
      onProgress: progressOf(say),
      observeCommit: (seconds, records) => {
        metrics.commitSeconds.observe(seconds);
        metrics.commitRecords.observe(records);
      },
      logger,
    });
    closers.push(() => host.close());
    vital("the twin host", host.closed);
    meterHost(metrics, host);

    const sinks = await startSinks({
      databaseUrl: url,
      ...sinksSettingsOf(config, archivePlace(config)),
      logRetentionMs: config.logRetentionDays * dayMs,
      onWarning: (message) => logger.warn(message),
    });
    closers.push(() => sinks.stop());
    vital("the sinks", sinks.closed);
    host.onCommitted(() => sinks.signal(host.stats().committedOffset));
    sinks.signal(host.stats().committedOffset);
    meterFleet(metrics, fleet);
    meterQuality(metrics, sinks.quality);

    const application = openDeviceApplication({
      host,
      credentials: requireCredentials ? credentials : null,
      openRegistry,
      nodeId,
      now: Date.now,
      meter: meterGateway(metrics),
    });
    const listener = await openListener(
      {
        host: plainHost,
        port: config.mqttPort,
        wsPort: config.mqttWsPort,
        tls: identity && { identity, host: config.host, port: config.mqttsPort, wsPort: config.mqttWssPort },
        maxPacketBytes: config.maxPacketBytes,
        retained,
        now: Date.now,
        log: logger,
      },
      application,
    );
    application.attach(listener.broker);
    closers.push(() => listener.close());
    meterListener(metrics, listener.counts);

    const place = archivePlace(config);
    const { close: closeHistory, ...past } = await openHistoryParts(
      pool,
      { timeSeries: config.timeSeries, store: place === null ? null : storeSettingsOf(config, place), redis: null },
      { fleet, log: logger },
    );
    closers.push(closeHistory);
    const bySink = <T>(value: (stats: SinkStats) => T) =>
      Object.fromEntries(Object.entries(sinks.stats()).map(([name, stats]) => [name, value(stats)]));
    meterSinks(metrics, {
      lag: () => bySink(({ lag }) => lag),
      breakers: () => bySink(({ breaker }) => breaker),
      deadLetters: () => past.sinkDeadLetters.counts(),
    });
    const dashboard = join(import.meta.dirname, "web", "dist");
    let httpPort = config.httpPort;
    const api = await openApi(
      {
        host: withPolicies(host, policies),
        fleet,
        ...past,
        credentials,
        deviceTypes,
        endConnections: (principal, reason) => {
          listener.broker.disconnect((connection) => isSamePrincipal(connection.principal, principal), reason);
        },
        cluster: () =>
          clusterOfOne({
            ...{ host, startedAtMs, now: Date.now },
            sinks: { timeseries: past.series, fleet, quality: past.quality },
            status: circuitsOf(bySink(({ breaker }) => breaker)),
            id: nodeId,
            address: `http://${plainHost}:${httpPort}`,
          }),
        publishFromApp: application.publishFromApp,
        probes: probes(pool, host, sinks),
        metrics: metrics.registry,
        now: Date.now,
        newId: randomUUID,
        log: logger,
        config: {
          ...defaultApiConfig,
          requireCredentials,
          basePolicy: policies.base,
          dashboardRoot: existsSync(dashboard) ? dashboard : null,
        },
      },
      {
        host: plainHost,
        port: config.httpPort,
        tls: identity && { identity, host: config.host, port: config.httpsPort },
      },
    );
    closers.push(() => api.close());
    httpPort = api.port;
    return {
      mqttPort: listener.port,
      mqttWsPort: listener.wsPort ?? 0,
      httpPort: api.port,
      tls: identity && {
        mqttsPort: listener.tlsPort!,
        mqttWssPort: listener.wssPort!,
        httpsPort: api.tlsPort!,
      },
      recovery: host.recovery,
      postgresPid: cluster?.pid ?? null,
      closed: failure.promise,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const dayMs = 86_400_000;

/** Null: there is to be none. */
function archivePlace({ archive, dataDir }: Config): string | null {
  if (archive === "off") return null;
  return archive === "auto" ? join(dataDir, "archive") : archive;
}

/** A part that everything needs has ended, unasked. */
export class PartEnded extends Error {
  readonly code = "PART_ENDED";
  readonly retry = "later";
  constructor(part: string, ending: unknown) {
    const how = ending instanceof Error ? ending.message : ((ending as { detail?: string } | undefined)?.detail ?? "");
    super(
      `${part} ended${how === "" ? "" : `: ${how.replace(/\.$/, "")}`}. Doppel ends too, so that nothing is acknowledged that is not durable. Mend the cause and start it again.`,
    );
    if (ending instanceof Error) this.cause = ending;
  }
}

/** Newest first; one that fails does not keep the others from closing. */
async function closeAll(closers: (() => Promise<unknown>)[], logger: Logger): Promise<void> {
  for (const closer of closers.reverse()) {
    try {
      await closer();
    } catch (error) {
      logger.error({ error }, "a part did not close cleanly");
    }
  }
}

function openCluster(config: Config, say: (line: string) => void): Promise<Cluster> {
  return startCluster(join(config.dataDir, "postgres"), { say });
}

/** The host as the API sees it: changed policies are read before the twins are judged by them. */
function withPolicies(host: TwinHost, policies: Policies): TwinHost {
  return {
    ask: (device, input) => host.ask(device, input),
    deliver: (device, input, done) => host.deliver(device, input, done),
    onCommitted: (listener) => host.onCommitted(listener),
    stats: () => host.stats(),
    policiesChanged: async () => {
      await policies.reload();
      await host.policiesChanged();
    },
  };
}

/** Whether the parts that the system hangs on work. */
function probes(pool: Pool, host: TwinHost, sinks: Sinks): HealthProbe[] {
  return [
    { name: "database", check: async () => ({ ok: (await pool.query("select 1")).rowCount === 1 }) },
    { name: "event log", check: async () => ({ ok: true, detail: `${host.stats().committedOffset} records` }) },
    ...sinkProbes(sinks),
  ];
}

/** Off loopback nobody gets in without credentials, and no device is taken in unasked. */
function safety(config: Config): { openRegistry: boolean; requireCredentials: boolean } {
  const loopback = isLoopback(config.host);
  return {
    requireCredentials: config.requireCredentials === "yes" || !loopback,
    openRegistry: config.registry === "open" || (config.registry === "auto" && loopback),
  };
}

/** With TLS, what goes without it stays on this machine, unless it was said otherwise. Throws if its files do not fit. */
function tlsOf(config: Config, log: Logger): { readonly plainHost: string; readonly identity: ServerTls | null } {
  const { host, tlsCert, tlsKey, tlsClientCa, plaintext } = config;
  if (tlsCert === "") return { plainHost: host, identity: null };
  const files = {
    certificate: { option: "DOPPEL_TLS_CERT", path: tlsCert },
    key: { option: "DOPPEL_TLS_KEY", path: tlsKey },
    clientAuthorities: tlsClientCa === "" ? null : { option: "DOPPEL_TLS_CLIENT_CA", path: tlsClientCa },
  };
  const plainHost = plaintext === "everywhere" || isLoopback(host) ? host : "127.0.0.1";
  return { plainHost, identity: openServerTls({ files, log }) };
}

function progressOf(say: (line: string) => void): (replayed: number, total: number) => void {
  let toldMs = Date.now();
  return (replayed, total) => {
    if (Date.now() - toldMs < 1_000) return;
    toldMs = Date.now();
    say(`Replaying the log: ${replayed} of ${total} records …`);
  };
}
