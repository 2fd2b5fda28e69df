/** The gateways role: takes what devices say from the broker to their twins, and tells the broker who may connect. */
import { openSidecarTwins } from "../actors/device/sidecar-client.ts";
import { openDaprClient } from "../actors/host/dapr/client.ts";
import packageJson from "../package.json" with { type: "json" };
import { openPostgresCredentials } from "../ports/credentials/postgres.ts";
import { openPostgresFleetIndex } from "../ports/fleet-index/postgres.ts";
import { openRoleServer } from "../ports/http-health/server.ts";
import { startHeartbeat } from "../ports/membership/heartbeat.ts";
import type { Member } from "../ports/membership/port.ts";
import { openPostgresMembership } from "../ports/membership/postgres.ts";
import { openMetrics } from "../ports/metrics/prometheus.ts";
import { withAdvisoryLock } from "../ports/postgres/advisory-lock.ts";
import { safetyOf } from "../role-config.ts";
import { memberId, openRoleDownlink, openRolePool } from "../role-parts.ts";
import { openClosers, type RoleOptions, type RunningRole } from "../role-process.ts";
import { brokerOf } from "../role-security.ts";
import { emqxAuthn } from "./http/emqx-authn.ts";
import { brokerMessages } from "./mqtt/emqx/broker-messages.ts";
import { openIngress } from "./mqtt/emqx/ingress.ts";
import { emqxApiOf } from "./mqtt/emqx/management-api.ts";
import { startReconciler } from "./mqtt/emqx/reconcile.ts";
import { meterGateway, meterIngress } from "./mqtt/meter.ts";

const callsAtATime = 128;
const giveUpMs = 10_000;

export async function runGateway({ config, logger }: RoleOptions<"gateways">): Promise<RunningRole> {
  const closers = openClosers(logger);
  const startedAtMs = Date.now();
  const id = memberId(config.name, startedAtMs);
  let ready = false;
  try {
    const pool = openRolePool(config, id, logger);
    closers.add(() => pool.end());
    const membership = await openPostgresMembership(pool);
    const credentials = await openPostgresCredentials(pool);
    const sidecar = openDaprClient({ httpUrl: `http://127.0.0.1:${config.daprHttpPort}`, connections: callsAtATime });
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

    const metrics = openMetrics();
    const gatewayMeter = meterGateway(metrics);
    const ingress = openIngress({
      ...brokerOf(config),
      // The same over restarts: where the broker keeps sessions, it has kept ours.
      clientId: `doppel-${config.name}`,
      connections: config.ingressConnections,
      receiveMaximum: config.receiveMaximum,
      sessionSeconds: config.ingressSessionSeconds,
      awsPrefix: config.ingressAwsPrefix,
      handle: brokerMessages({ host: client, downlink, now: Date.now, meter: gatewayMeter, log: logger }),
      meter: meterIngress(metrics),
      log: logger,
    });
    // Before the client: what is under way is answered, the rest is the broker's to give to others, or to keep.
    closers.add(() => ingress.close());
    const api = emqxApiOf(config);
    if (api !== null) {
      const reconciler = startReconciler({
        api,
        fleet: await openPostgresFleetIndex(pool),
        host: client,
        lock: (work) => withAdvisoryLock(pool, "doppel presence reconciliation", work),
        log: logger,
      });
      closers.add(() => reconciler.stop());
    }
    metrics.gauge(
      "doppel_ingress_in_flight",
      "Messages of the broker whose effect is not durable yet",
      () => ingress.inFlight,
    );
    metrics.gauge("doppel_twin_calls", "Calls of actors since the start", () => client.stats().calls);
    metrics.gauge(
      "doppel_twin_call_retries",
      "Calls of actors that had to be made again",
      () => client.stats().retries,
    );

    const member = (): Member => {
      const { waiting, calls, turns, retries, trouble } = client.stats();
      return {
        ...{ id, startedAtMs, role: "gateways", name: config.name, version: packageJson.version },
        address: config.advertisedUrl,
        status: {
          inFlight: ingress.inFlight,
          connected: ingress.connected > 0,
          waiting,
          calls,
          turns,
          retries,
          trouble: trouble ?? "",
        },
      };
    };
    const heartbeat = await startHeartbeat({
      membership,
      member,
      onTrouble: (error) => logger.warn({ error: error.message }, "the membership could not be told"),
    });
    closers.add(() => heartbeat.stop());

    const { openRegistry, requireCredentials } = safetyOf(config);
    const server = await openRoleServer({
      host: config.host,
      port: config.httpPort,
      routes: emqxAuthn({
        host: client,
        credentials: requireCredentials ? credentials : null,
        openRegistry,
        secret: config.authnSecret,
        own: { username: config.mqttUsername, password: config.mqttPassword },
        meter: gatewayMeter,
        log: logger,
        takes: () => ingress.connected > 0,
      }),
      ready: () => ready,
      metrics: metrics.registry,
      probes: [
        { name: "broker", check: async () => ({ ok: ingress.connected === ingress.connections }) },
        { name: "sidecar", check: async () => ({ ok: await sidecar.healthy() }) },
        { name: "database", check: async () => ({ ok: (await pool.query("select 1")).rowCount === 1 }) },
      ],
    });
    closers.add(() => server.close());
    ready = true;
    return {
      port: server.port,
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
