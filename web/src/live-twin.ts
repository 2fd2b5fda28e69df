import type { Device, DeviceDetail, LiveMessage } from "./contract.ts";

/** The twin after a live message about it. Statistics stay as they are until the server tells them. */
export function applied(device: DeviceDetail, message: LiveMessage): DeviceDetail {
  switch (message.type) {
    case "presence": {
      return withPresence(device, message);
    }
    case "telemetry": {
      const latest = { ...device.latest };
      const receivedAt = new Date().toISOString();
      for (const [metric, value] of Object.entries(message.readings)) {
        const before = latest[metric];
        if (before && Date.parse(before.ts) > Date.parse(message.ts)) continue;
        const first = { count: 0, mean: 0, min: 0, max: 0, stddev: 0 };
        latest[metric] = { ...(before ?? first), value, ts: message.ts, receivedAt };
      }
      return { ...device, lastSeen: receivedAt, latest };
    }
    case "shadow": {
      const { [message.shadow]: before, ...others } = device.shadows;
      if (before && before.version > message.version) return device;
      if (message.state === null) return { ...device, shadows: others };
      const view = { ...before, state: message.state, version: message.version };
      return { ...device, shadows: { ...others, [message.shadow]: view } };
    }
    default:
      return device;
  }
}

/** `lastSeen: null` in the message says nothing of when the device was seen. */
export function withPresence<Shown extends Device>(
  device: Shown,
  message: Extract<LiveMessage, { type: "presence" }>,
): Shown {
  const { status, since, lastSeen, connected, flapping } = message;
  return { ...device, status, since, connected, flapping, lastSeen: lastSeen ?? device.lastSeen };
}
