/** The apis role: API, live view and dashboard over twins that live on other hosts. Wires, and decides nothing. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSidecarTwins } from "../actors/device/sidecar-client.ts";
import { twinUnreadable } from "../actors/device/turns-wire.ts";
import { openDaprAdmin } from "../actors/host/dapr/admin.ts";
import { openDaprClient } from "../actors/host/dapr/client.ts";
import type { TwinHost } from "../actors/host/port.ts";
import type { Reply } from "../core/device/inputs.ts";
import { policyWith } from "../core/device/policy.ts";
import { openDeviceApplication } from "../gateways/mqtt/device-application.ts";
import { downlinkBroker } from "../gateways/mqtt/emqx/broker-messages.ts";
import { emqxApiOf } from "../gateways/mqtt/emqx/management-api.ts";
import { meterGateway } from "../gateways/mqtt/meter.ts";
import packageJson from "../package.json" with { type: "json" };
import { openPostgresCredentials } from "../ports/credentials/postgres.ts";
import { openPostgresDeviceTypes } from "../ports/device-types/postgres.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { startHeartbeat } from "../ports/membership/heartbeat.ts";
import type { Member } from "../ports/membership/port.ts";
import { openPostgresMembership } from "../ports/membership/postgres.ts";
import { openMetrics } from "../ports/metrics/prometheus.ts";
import { storeSettingsOf } from "../ports/object-store/settings.ts";
import { openRecordReader } from "../ports/record-codec/codec.ts";
import { kafkaTrouble } from "../ports/record-log/kafka-client.ts";
import { openKafkaSource } from "../ports/record-log/kafka-source.ts";
import { safetyOf } from "../role-config.ts";
import { memberId, openRoleDownlink, openRolePool, roleSchemas } from "../role-parts.ts";
import { openClosers, type RoleOptions, type RunningRole } from "../role-process.ts";
import { kafkaOf, redisOf } from "../role-security.ts";
import { openClusterView } from "./distributed-cluster.ts";
import { openHistoryParts } from "./history/open.ts";
import { openLiveFeed } from "./live-feed.ts";
import { meterFleet } from "./meter.ts";
import { defaultApiConfig } from "./parts.ts";
import { Problem } from "./problem.ts";
import { openApi } from "./server.ts";

const callsAtATime = 64;
/** Below the time after which a request is answered 503 anyway. */
const giveUpMs = 15_000;
const adminTimeoutMs = 1_500;

export async function runApis({ config, logger }: RoleOptions<"apis">): Promise<RunningRole> {
  const closers = openClosers(logger);
  const startedAtMs = Date.now();
  const id = memberId(config.name, startedAtMs);
  const sidecarUrl = `http://127.0.0.1:${config.daprHttpPort}`;
  try {
    const pool = openRolePool(config, id, logger);
    closers.add(() => pool.end());
    const fleet = await openPostgresFleetIndex(pool);
    const { timeSeries, archive } = config;
    const { close: closeHistory, ...past } = await openHistoryParts(
      pool,
      { timeSeries, store: archive === "off" ? null : storeSettingsOf(config, archive), redis: redisOf(config) },
      { fleet, log: logger },
    );
    closers.add(closeHistory);
    const credentials = await openPostgresCredentials(pool);
    const deviceTypes = await openPostgresDeviceTypes(pool);
    const membership = await openPostgresMembership(pool);
    const metrics = openMetrics();
    meterFleet(metrics, fleet);

    const sidecar = openDaprClient({ httpUrl: sidecarUrl, connections: callsAtATime });
    closers.add(() => sidecar.close());
    const client = openSidecarTwins(sidecar, {
      callerId: id,
      batchMs: config.batchMs,
      maxBatch: config.batchMessages,
      concurrency: callsAtATime,
      timeoutMs: config.callTimeoutMs,
      giveUpMs,
    });
    closers.add(() => client.close());
    const downlink = openRoleDownlink(config, id, logger);
    closers.add(() => downlink.close());
    const source = openKafkaSource({
      ...kafkaOf(config),
      clientId: id,
      codec: openRecordReader(roleSchemas(config, pool)),
      logger,
      onTrouble: (error) => logger.warn({ error: kafkaTrouble(error) }, "the log cannot be read"),
    });
    closers.add(() => source.close());
    const feed = openLiveFeed({
      source,
      fleet,
      onTrouble: (error) => logger.error({ error }, "live views hear nothing of the log any more"),
    });
    closers.add(() => feed.stop());
    const admin = openDaprAdmin({ httpUrl: sidecarUrl, timeoutMs: adminTimeoutMs, log: logger });
    const cluster = openClusterView({ membership, sidecar, now: Date.now });
    closers.add(() => cluster.stop());

    const { openRegistry, requireCredentials } = safetyOf(config);
    const host: TwinHost = {
      ask: async (device, input) => readable(await client.ask(device, input)),
      deliver: (device, input, done, about) => client.deliver(device, input, done, about),
      onCommitted: (listener) => feed.onCommitted(listener),
      // The hosts look for themselves every two seconds.
      policiesChanged: async () => {},
      stats: () => ({ ...cluster.totals(), pending: client.stats().waiting }),
    };
    const application = openDeviceApplication({
      host: { ask: host.ask, deliver: host.deliver, onCommitted: () => () => {} },
      credentials: null,
      openRegistry,
      nodeId: id,
      now: Date.now,
      meter: meterGateway(metrics),
      fansOut: false,
    });
    application.attach(downlinkBroker(downlink, logger));
    const emqx = emqxApiOf(config);
    const endDevice = (device: string, reason: string) => {
      emqx?.kick(device).catch((error: Error) => {
        logger.warn(
          { device, reason, error: error.message },
          "the broker could not be told to end a device's connections",
        );
      });
    };
    feed.onCommitted((turns) => {
      for (const { device, records } of turns)
        if (records.some(({ kind }) => kind === "deregistered")) endDevice(device, "the device was deleted");
    });
    const dashboard = join(import.meta.dirname, "..", "web", "dist");
    let ready = true;
    const api = await openApi(
      {
        ...{ host, fleet, ...past, credentials, deviceTypes },
        publishFromApp: application.publishFromApp,
        endConnections: (principal, reason) => {
          if (principal.kind === "device") endDevice(principal.device, reason);
        },
        cluster: () => cluster.read(),
        probes: [
          { name: "database", check: async () => ({ ok: (await pool.query("select 1")).rowCount === 1 }) },
          { name: "sidecar", check: async () => ({ ok: await admin.answers() }) },
          { name: "broker", check: async () => ({ ok: downlink.connected }) },
        ],
        metrics: metrics.registry,
        now: Date.now,
        newId: randomUUID,
        log: logger,
        ready: () => ready,
        config: {
          ...defaultApiConfig,
          requireCredentials,
          basePolicy: policyWith({ silenceMs: config.silenceSeconds * 1_000, graceMs: config.graceSeconds * 1_000 }),
          dashboardRoot: existsSync(dashboard) ? dashboard : null,
        },
      },
      { host: config.host, port: config.httpPort },
    );
    closers.add(() => api.close());

    const member = (): Member => ({
      ...{ id, startedAtMs, role: "apis", name: config.name, version: packageJson.version },
      address: config.advertisedUrl,
      status: { live: api.liveConnections(), waiting: client.stats().waiting, trouble: client.stats().trouble ?? "" },
    });
    const heartbeat = await startHeartbeat({
      membership,
      member,
      onTrouble: (error) => logger.warn({ error: error.message }, "the membership could not be told"),
    });
    closers.add(() => heartbeat.stop());
    return {
      port: api.port,
      closed: new Promise(() => {}),
      close() {
        ready = false;
        return closers.closeAll();
      },
    };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

/** @throws Problem where the twin is out of service: no caller can do anything about it, an operator can */
function readable(reply: Reply): Reply {
  if (reply.kind === "refused" && reply.reason === twinUnreadable) throw new Problem("unavailable", reply.detail);
  return reply;
}
