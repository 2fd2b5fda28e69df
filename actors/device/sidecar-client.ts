import type { DaprClient } from "../host/dapr/client.ts";
import { openTwinClient, type TwinClient, type TwinClientOptions } from "./client.ts";
import { deviceTwin } from "./turns-wire.ts";

/** Device twins through this process's Dapr sidecar, wherever they live. */
export function openSidecarTwins(
  sidecar: Pick<DaprClient, "invoke">,
  options: Omit<TwinClientOptions, "call" | "now" | "random">,
): TwinClient {
  return openTwinClient({
    ...options,
    call: (device, body, timeoutMs) => sidecar.invoke(deviceTwin.type, device, deviceTwin.turns, body, { timeoutMs }),
    now: Date.now,
    random: Math.random,
  });
}
