import { api } from "./api.ts";
import type { DeviceDetail } from "./contract.ts";
import { applied } from "./live-twin.ts";
import { useLive, useThrottled } from "./use-live.ts";
import { type Resource, useResource } from "./use-resource.ts";

/** How often the server's own statistics are fetched while readings arrive, ms. */
const statisticsMs = 5_000;

/** A device's twin, kept current by live messages. */
export function useDevice(id: string): Resource<DeviceDetail> {
  const twin = useResource(id, (signal) => api.device(id, signal));
  const refresh = useThrottled(twin.reload, statisticsMs);
  useLive(`device:${id}`, (message) => {
    if (!("device" in message) || message.device !== id) return;
    twin.patch((device) => applied(device, message));
    if (message.type === "telemetry") refresh();
  });
  return twin;
}
