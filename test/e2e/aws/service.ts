import { openEmbeddedHost } from "../../../actors/host/embedded.ts";
import { defaultPolicy } from "../../../core/device/policy.ts";
import { openDeviceApplication } from "../../../gateways/mqtt/device-application.ts";
import { openListener } from "../../../gateways/mqtt/listener/listener.ts";
import { openMemoryLog } from "../../../ports/event-log/memory.ts";
import { MemoryRetained } from "../../../ports/retained/memory.ts";
import { openMemoryTwinStore } from "../../../ports/twin-store/memory.ts";

/** Devices' side of Doppel alone: twins in memory behind the MQTT listener, on a free port of 127.0.0.1. */
export async function openService(): Promise<{ mqttPort: number; close(): Promise<void> }> {
  const now = Date.now;
  const nodeId = "e2e";
  const host = await openEmbeddedHost({
    log: openMemoryLog(),
    store: openMemoryTwinStore(),
    now,
    nodeId,
    policyOf: () => defaultPolicy,
    openRegistry: true,
    flushMs: 1,
    checkpointMs: 60_000,
    idleMs: 60_000,
    maxTwins: 1_000,
    logger: { error: (about, message) => console.error(message, about) },
  });
  const ignore = () => {};
  const meter = {
    received: ignore,
    telemetry: ignore,
    acknowledged: ignore,
    refused: ignore,
    connectionRefused: ignore,
    violation: (reason: string) => console.error("violation:", reason),
  };
  const application = openDeviceApplication({ host, credentials: null, openRegistry: true, nodeId, now, meter });
  const retained = new MemoryRetained();
  const log = { warn: (about: object, message: string) => console.error(message, about) };
  const listener = await openListener({ host: "127.0.0.1", port: 0, wsPort: null, retained, now, log }, application);
  application.attach(listener.broker);
  return {
    mqttPort: listener.port,
    async close() {
      await listener.close();
      await host.close();
    },
  };
}
