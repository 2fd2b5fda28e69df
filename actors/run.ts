/**
 * The actors role: hosts device twins and deadline sweepers for its Dapr sidecar. Wires, and decides nothing.
 */
import { policyWith } from "../core/device/policy.ts";
import packageJson from "../package.json" with { type: "json" };
import { openPolicies, watchPolicies } from "../ports/device-types/policies.ts";
import { openPostgresDeviceTypes } from "../ports/device-types/postgres.ts";
import { openRoleServer } from "../ports/http-health/server.ts";
import { startHeartbeat } from "../ports/membership/heartbeat.ts";
import type { Member } from "../ports/membership/port.ts";
import { openPostgresMembership } from "../ports/membership/postgres.ts";
import { openMetrics } from "../ports/metrics/prometheus.ts";
import { openRecordCodec } from "../ports/record-codec/codec.ts";
import { kafkaTrouble } from "../ports/record-log/kafka-client.ts";
import { openKafkaPublisher } from "../ports/record-log/kafka-publisher.ts";
import { openRedisSoftState } from "../ports/soft-state/redis.ts";
import { openPostgresTwinState } from "../ports/twin-state/postgres.ts";
import { safetyOf } from "../role-config.ts";
import { memberId, openRoleDownlink, openRolePool, openRoleSchemas } from "../role-parts.ts";
import { openClosers, type RoleOptions, type RunningRole } from "../role-process.ts";
import { kafkaOf, redisOf } from "../role-security.ts";
import { openSidecarTwins } from "./device/sidecar-client.ts";
import { decodeTurns, deviceTwin, encodeAnswer } from "./device/turns-wire.ts";
import { openActorCallbacks } from "./host/dapr/callbacks.ts";
import { openDaprClient } from "./host/dapr/client.ts";
import { openActorStream } from "./host/dapr/stream.ts";
import { openDistributedHost } from "./host/distributed.ts";
import { meterCommits, meterDistributedHost } from "./host/meter.ts";
import type { ActorHandlers } from "./host/protocol-port.ts";
import { deadlineSweeper, Sweeper } from "./sweeper/sweep.ts";

/** Longer than any device's deadline is worth a place in memory; the host lets idle twins go by itself. */
const daprIdleSeconds = 86_400;
/** A turn waits so long for the log, and its twin with it; then its caller has it again. */
const logAwayMs = 5_000;
const policyLookMs = 2_000;
const registerRetryMs = 2_000;
const wakeGiveUpMs = 10_000;
const wakesAtATime = 32;

export async function runActors({ config, logger }: RoleOptions<"actors">): Promise<RunningRole> {
  const closers = openClosers(logger);
  const startedAtMs = Date.now();
  const id = memberId(config.name, startedAtMs);
  const sidecarUrl = `http://127.0.0.1:${config.daprHttpPort}`;
  let ready = false;
  try {
    const pool = openRolePool(config, id, logger);
    closers.add(() => pool.end());
    const policies = await openPolicies(
      policyWith({ silenceMs: config.silenceSeconds * 1_000, graceMs: config.graceSeconds * 1_000 }),
      await openPostgresDeviceTypes(pool),
      (message) => logger.warn(message),
    );
    const membership = await openPostgresMembership(pool);
    const store = await openPostgresTwinState(pool, { host: id });
    const soft = await openRedisSoftState(redisOf(config));
    closers.add(() => soft.close());
    const publisher = openKafkaPublisher({
      ...kafkaOf(config),
      clientId: id,
      codec: await openRecordCodec(await openRoleSchemas(config, pool)),
      logger,
      awayAfterMs: logAwayMs,
      onTrouble: (error) => logger.warn({ error: kafkaTrouble(error) }, "Kafka does not take records"),
    });
    closers.add(() => publisher.close());
    const downlink = openRoleDownlink(config, id, logger);
    closers.add(() => downlink.close());
    const sidecar = openDaprClient({
      httpUrl: `http://127.0.0.1:${config.daprHttpPort}`,
      connections: wakesAtATime * 2,
    });
    closers.add(() => sidecar.close());
    const waker = openSidecarTwins(sidecar, {
      callerId: id,
      batchMs: 1,
      maxBatch: 10,
      concurrency: wakesAtATime,
      timeoutMs: config.callTimeoutMs,
      giveUpMs: wakeGiveUpMs,
    });
    closers.add(() => waker.close());
    const wake = (device: string) => waker.ask(device, { kind: "deadline" });

    const metrics = openMetrics();
    const host = openDistributedHost({
      store,
      publisher,
      soft,
      downlink,
      now: Date.now,
      policyOf: policies.of,
      rulesOf: policies.rulesOf,
      openRegistry: safetyOf(config).openRegistry,
      flushMs: config.flushMs,
      softMs: config.softStateMs,
      idleMs: config.idleTwinMinutes * 60_000,
      wake,
      observeCommit: (seconds, writes) => {
        metrics.commitSeconds.observe(seconds);
        metrics.commitRecords.observe(writes);
      },
      logger,
    });
    closers.add(() => host.close());
    meterCommits(metrics, host);
    closers.add(
      watchPolicies(policies, policyLookMs, {
        changed: () => host.policiesChanged(),
        trouble: (error) => logger.warn({ error: error.message }, "device types could not be read"),
      }),
    );
    const sweeper = new Sweeper({ store, membership, now: Date.now, wake, shards: Number(config.sweepShards) });
    meterDistributedHost(metrics, host, sweeper);

    const handlers: ActorHandlers = {
      async call({ type, id: actor, method, body }) {
        if (type !== deviceTwin.type || method !== deviceTwin.turns)
          throw new Error(`There is no method ${method} of ${type}.`);
        return encodeAnswer(await host.turns(actor, decodeTurns(body)));
      },
      async reminder({ type, id: actor, name }) {
        if (type === deadlineSweeper.type && name === deadlineSweeper.reminder) await sweeper.sweep(actor);
      },
      deactivated({ type, id: actor }) {
        if (type === deviceTwin.type) host.deactivated(actor);
      },
    };
    const types = {
      types: [deviceTwin.type, deadlineSweeper.type],
      idleTimeoutSeconds: daprIdleSeconds,
      drainSeconds: config.drainSeconds,
    };
    let leaving = false;
    const onConnection = (connected: boolean) => {
      logger.info({ connected }, connected ? "the sidecar has us" : "the sidecar is away");
      // What we leave by ourselves we have until then: it is no more in doubt, and worth keeping.
      if (!connected && !leaving) host.doubtAll();
    };
    const protocol =
      config.actorProtocol === "stream"
        ? await openActorStream({
            grpcAddress: `127.0.0.1:${config.daprGrpcPort}`,
            types,
            handlers,
            onConnection,
            log: logger,
          })
        : await openActorCallbacks({
            appPort: config.actorPort,
            httpUrl: sidecarUrl,
            types,
            handlers,
            onConnection,
            log: logger,
          });
    closers.add(async () => {
      leaving = true;
      // No call comes in from here on, and no other host has our twins before the sidecar is told.
      await Promise.all([protocol.close(), host.settle()]);
    });
    closers.add(
      keepSweeping(sidecar, protocol, config, (error) =>
        logger.warn({ error: error.message }, "the sweepers' reminders could not be set"),
      ),
    );

    const member = (): Member => {
      const {
        twinsInMemory: twins,
        deadlines,
        pending,
        outboxWaiting,
        turns,
        stale,
        unsent,
        unreadable,
      } = host.stats();
      return {
        ...{ id, startedAtMs, role: "actors", name: config.name, version: packageJson.version },
        address: config.advertisedUrl,
        status: {
          ...{ twins, deadlines, pending, outboxWaiting, turns, stale, unsent, unreadable },
          woken: sweeper.woken,
          sidecar: protocol.connected,
          softState: soft.away ?? "ok",
          log: host.stats().logTrouble ?? "ok",
        },
      };
    };
    const heartbeat = await startHeartbeat({
      membership,
      member,
      here: () => protocol.connected,
      onTrouble: (error) => logger.warn({ error: error.message }, "the membership could not be told"),
    });
    closers.add(() => heartbeat.stop());

    const server = await openRoleServer({
      host: config.host,
      port: config.httpPort,
      ready: () => ready && protocol.connected,
      metrics: metrics.registry,
      probes: [
        { name: "database", check: async () => ({ ok: (await pool.query("select 1")).rowCount === 1 }) },
        { name: "sidecar", check: async () => ({ ok: protocol.connected }) },
        { name: "broker", check: async () => ({ ok: downlink.connected }) },
        { name: "log", check: async () => ({ ok: host.stats().logTrouble === null }) },
        {
          name: "outbox",
          check: async () => ({
            ok: host.stats().outboxWaiting < 10_000,
            detail: `${host.stats().outboxWaiting} wait`,
          }),
        },
        // Without Redis a twin comes back with what was stored last: worth knowing, not worth being out of service.
        { name: "soft state", check: async () => ({ ok: true, detail: soft.away ?? "ok" }) },
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

/** Sets the sweepers' reminders as soon as the sidecar has us, and again after it was away. Gives the function that ends it. */
function keepSweeping(
  sidecar: {
    registerReminder(
      type: string,
      id: string,
      name: string,
      about: { dueTimeMs: number; periodMs: number },
    ): Promise<void>;
  },
  protocol: { readonly connected: boolean },
  config: { readonly sweepSeconds: number; readonly sweepShards: string },
  onTrouble: (error: Error) => void,
): () => void {
  let set = false;
  let setting = false;
  const look = async () => {
    if (!protocol.connected) {
      set = false;
      return;
    }
    if (set || setting) return;
    setting = true;
    try {
      const periodMs = config.sweepSeconds * 1_000;
      const shards = Number(config.sweepShards);
      for (let shard = 0; shard < shards; shard += 1) {
        const dueTimeMs = Math.round((periodMs * (shard + 1)) / shards);
        await sidecar.registerReminder(deadlineSweeper.type, String(shard), deadlineSweeper.reminder, {
          dueTimeMs,
          periodMs,
        });
      }
      set = true;
    } catch (error) {
      onTrouble(error as Error);
    } finally {
      setting = false;
    }
  };
  const timer = setInterval(() => void look(), registerRetryMs);
  void look();
  return () => clearInterval(timer);
}
