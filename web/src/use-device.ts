import { api } from "./api.ts";
import type { DeviceDetail } from "./contract.ts";
import { applied } from "./live-twin.ts";
import { useLive, useThrottled } from "./use-live.ts";
import { type Resource, useResource } from "./use-resource.ts";

/** How often the server's own statistics are fetched while readings arrive, ms. */
const statisticsMs = 5_000;

/** The same after a shadow or a command has changed: the message holds only part of it. */
const changedMs = 300;

/** A device's twin, kept current by live messages. */
export function useDevice(id: string): Resource<DeviceDetail> {
  const twin = useResource(id, (signal) => api.device(id, signal));
  const refresh = useThrottled(twin.reload, statisticsMs);
  const catchUp = useThrottled(twin.reload, changedMs);
  useLive(`device:${id}`, (message) => {
    if (!("device" in message) || message.device !== id) return;
    twin.patch((device) => applied(device, message));
    if (message.type === "telemetry") refresh();
    else if (message.type !== "presence") catchUp();
  });
  return twin;
}
